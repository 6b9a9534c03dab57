// What the page shows, and in which order the work is done.
import {Ended, Link} from "./link.js";
import {answer, load, time} from "./work.js";

const at = id => document.getElementById(id);
const KEPT = `phone ${location.pathname}`;  // so that a page that is opened again goes on
const pause = ms => new Promise(done => setTimeout(done, ms));
const link = new Link(lost => lost
  ? state("waiting", "No connection", "The computer does not answer. Is the Wi-Fi on? This page tries again by itself.")
  : state("running", "Measuring"));
const pictures = new Map();
let lock = null;

function state(name, words, problem = "") {
  document.body.dataset.state = name;
  at("state").textContent = words;
  at("problem").textContent = problem;
  at("problem").hidden = !problem;
}

function view(id) {
  for (const part of ["start", "run", "done"]) at(part).hidden = part !== id;
}

function median(ms) {
  const sorted = [...ms].sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function picture(frame) {
  if (!pictures.has(frame)) {
    const image = new Image(), bytes = await link.get(`frames/${frame}`, "blob");
    image.src = await new Promise(done => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(bytes);
    });
    await image.decode();
    pictures.set(frame, image);
  }
  return pictures.get(frame);
}

async function show(frame, found) {  // a frame, and what was found in it
  const image = await picture(frame), canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  pen.drawImage(image, 0, 0);
  if (found.ellipse) {
    const [x, y, long, short, degrees] = found.ellipse, width = canvas.width / 200;
    for (const [color, thick] of [["#000a", 2.2], ["#56d6ff", 1]]) {
      pen.strokeStyle = color;
      pen.lineWidth = thick * width;
      pen.beginPath();
      pen.ellipse(x + .5, y + .5, long, short, degrees * Math.PI / 180, 0, 7);
      pen.stroke();
    }
  }
  const interval = found.interval_mm;
  at("hc").textContent = found.hc_mm === null ? "Not measured" : `HC ${found.hc_mm.toFixed(1)} mm`;
  at("hc").classList.toggle("refused", found.hc_mm === null);
  at("found").textContent = found.hc_mm === null ? found.reason
    : interval ? `90% interval ${interval[0].toFixed(0)} to ${interval[1].toFixed(0)} mm` : "";
}

async function answers(job, task, model, advance) {
  const known = job.answers[task.name] ??= {};
  at("artifact").textContent = task.name;
  at("p50").textContent = "–";
  await answer(task, {...job.plan, frames: job.frames}, model, link, known, async (i, found) => {
    const all = Object.values(known), same = all.filter(one => one.identical).length;
    at("same").textContent = `${same} of ${all.length}`;
    at("step").textContent = `Outputs: frame ${i + 1} of ${job.frames}`;
    await show(i, found);
    advance(1);
  });
}

async function round(job, task, number, model, inputs, advance) {
  const known = Object.values(job.answers[task.name]);
  at("artifact").textContent = task.name;
  at("same").textContent = `${known.filter(one => one.identical).length} of ${known.length}`;
  at("p50").textContent = "–";
  at("step").textContent = `Times: round ${number + 1} of ${job.plan.rounds}`;
  await show(job.timed[number % job.timed.length], job.answers[task.name][job.timed[number % job.timed.length]]);
  await pause(100);  // until it is drawn
  const told = ms => { at("p50").textContent = `${median(ms).toFixed(1)} ms`; };
  const found = await time(task, job.plan, model, inputs, (ms, share) => {
    if (ms.length) told(ms);
    advance(job.plan.frames * share, false);
  });
  told(found.ms);
  await link.send("round", {artifact: task.name, round: number}, JSON.stringify(found));
}

async function all(job) {  // what was done before is not done again
  const models = new Map(), failed = new Set(Object.keys(job.errors));
  const total = job.tasks.length * (job.frames + job.plan.rounds * job.plan.frames);
  let done = 0;
  const advance = (more, keep = true) => {
    at("progress").value = (done + more) / total;
    if (keep) done += more;
  };
  const guarded = async (task, call) => {
    try {
      await call();
    } catch (error) {
      if (error instanceof Ended) throw error;
      failed.add(task.name);
      await link.send("failed", {artifact: task.name}, `${error.message || error}`);
    }
  };
  for (const task of job.tasks.filter(one => !failed.has(one.name))) {
    models.set(task.name, await link.get(`models/${task.name}`));
    await guarded(task, () => answers(job, task, models.get(task.name), advance));
  }
  const inputs = new Map();
  let first = true;
  for (const [number, names] of job.order.entries()) {
    for (const task of names.map(name => job.tasks.find(one => one.name === name))) {
      if (!failed.has(task.name) && !job.rounds[task.name]?.[number]) {
        if (!inputs.has(task.name)) {
          const paths = job.timed.map(i => `inputs/${task.name}/${i}`);
          inputs.set(task.name, await Promise.all(paths.map(path => link.get(path))));
        }
        if (!first && job.plan.cooldown_s) {
          at("step").textContent = `A pause of ${job.plan.cooldown_s} s, for the phone to cool down`;
          await pause(1000 * job.plan.cooldown_s);
        }
        first = false;
        await guarded(task, () => round(job, task, number, models.get(task.name), inputs.get(task.name), advance));
      }
      advance(job.plan.frames);
    }
  }
}

function summary(found) {
  at("saved").textContent = `Saved on the computer as ${found.file}. You can close this page.`;
  const rows = [found.header, ...found.rows].map((cells, i) => {
    const row = document.createElement("tr");
    const error = i && found.errors[cells[0]];
    const texts = error ? [cells[0], error] : cells;
    for (const text of texts) {
      const cell = row.appendChild(document.createElement(i ? "td" : "th"));
      cell.textContent = text;
      if (error && text === error) Object.assign(cell, {colSpan: cells.length - 1, className: "errors"});
    }
    return row;
  });
  at("table").replaceChildren(...rows);
  view("done");
  state("done", "Done");
}

async function stayAwake() {  // where the browser allows it, which plain http does not
  try {
    lock = await navigator.wakeLock?.request("screen");
  } catch { /* the page says that the screen must stay on */ }
}

async function measure(model) {
  view("run");
  state("running", "Loading");
  at("step").textContent = "Loading LiteRT.js";
  let beats = 0;
  try {
    await stayAwake();
    const wanted = Number(document.body.dataset.threads), engine = await load(wanted);
    const told = {
      model, user_agent: navigator.userAgent, platform: navigator.platform || null,
      cores: navigator.hardwareConcurrency || null, memory_gib: navigator.deviceMemory || null,
      isolated: crossOriginIsolated, ...engine,
    };
    const job = await link.send("join", {session: kept()?.session || ""}, JSON.stringify(told));
    [link.session, link.page, job.plan.threads] = [job.session, job.page, engine.threads];
    keep({session: job.session, model});
    beats = setInterval(() => link.beat(), 3000);
    at("threads").textContent = `${engine.threads} thread${engine.threads > 1 ? "s" : ""}` +
      (wanted === engine.threads ? "."
      : `, though ${wanted} are wanted: ${crossOriginIsolated ? "this browser lacks relaxed SIMD."
        : "this page is not cross-origin isolated, because it came over plain http."}`);
    state("running", "Measuring");
    await all(job);
    at("step").textContent = "Waiting for the result";
    summary(await link.send("finish", {}));
  } catch (error) {
    const ended = error instanceof Ended;
    state("failed", "Stopped", ended ? `The computer says: ${error.message}.`
      : `This browser cannot run the networks: ${error.message || error}. Try an up-to-date Chrome, Firefox or Safari.`);
    if (error.status === 410) keep(null);
  } finally {
    clearInterval(beats);
    lock?.release();
    lock = null;
  }
}

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)); } catch { return null; }
}

function keep(what) {
  try {
    if (what) localStorage.setItem(KEPT, JSON.stringify(what));
    else localStorage.removeItem(KEPT);
  } catch { /* a private window may have none; then a page that is opened again starts anew */ }
}

document.addEventListener("visibilitychange", () => {  // the lock is gone when the page was in the background
  if (!document.hidden && lock) stayAwake();
});
at("start").onsubmit = event => {
  event.preventDefault();
  measure(at("model").value.trim() || "unknown phone");
};
at("again").onclick = () => { keep(null); location.reload(); };

const before = kept();
if (before) {
  measure(before.model);
} else {
  const told = await navigator.userAgentData?.getHighEntropyValues(["model"]).catch(() => null);
  if (told?.model) at("model").value = told.model;
}
