// The work of a phone: run each network on each frame, then time it in rounds.

let lite;  // the module of LiteRT.js

const turn = () => new Promise(done => {  // lets the page draw and answer; a timer would wait longer
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
});

async function inFront() {  // a page in the background is slowed down
  while (document.hidden) await new Promise(done => document.addEventListener("visibilitychange", done, {once: true}));
}

function clockStep() {  // browsers make their clocks coarse
  let least = Infinity;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return least;
}

export async function load(threads) {
  lite ??= await import("./litert/core.js");
  const many = threads > 1 && crossOriginIsolated && await lite.supportsFeature("relaxedSimd");
  await lite.loadLiteRt(new URL("litert/wasm/", location.href).href, {threads: many});
  const relaxed = await lite.supportsFeature("relaxedSimd");
  return {
    threads: many ? threads : 1,
    build: many ? "threads, relaxed SIMD" : relaxed ? "relaxed SIMD" : "compatible, without relaxed SIMD",
    clock_ms: clockStep(),
  };
}

function compile(model, threads) {
  return lite.loadAndCompile(new Uint8Array(model), {accelerator: "wasm", cpuOptions: {numThreads: threads}});
}

function tensor(task, data) {
  return new lite.Tensor(task.dtype === "uint8" ? new Uint8Array(data) : new Float32Array(data), task.shape);
}

async function output(model, input) {
  const results = await model.run(input), values = results[0].toTypedArray();
  for (const result of results) result.delete();
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

// Each frame once; the computer compares the output with Python's, and finds the head in it.
export async function answer(task, plan, model, link, known, show) {
  const network = await compile(model, plan.threads);
  try {
    for (let i = 0; i < plan.frames; i++) {
      await inFront();
      if (!known[i]) {
        const input = tensor(task, await link.get(`inputs/${task.name}/${i}`));
        let found;
        try {
          found = await output(network, input);
        } finally {
          input.delete();
        }
        known[i] = await link.send("answer", {artifact: task.name, frame: i}, found);
      }
      await show(i, known[i]);
    }
  } finally {
    network.delete();
  }
}

// One round: the same frames again and again. It starts anew if the page was not in front all the time.
export async function time(task, plan, model, inputs, show) {
  for (;;) {
    await inFront();
    let away = false;
    const leave = () => { away = true; };
    document.addEventListener("visibilitychange", leave);
    const before = performance.now(), network = await compile(model, plan.threads);
    const load_ms = performance.now() - before;
    const tensors = inputs.map(data => tensor(task, data)), ms = [];
    try {
      let spent = 0, drawn = performance.now(), yielded = drawn;
      for (let i = -plan.warmup; !away && (ms.length < plan.frames || spent < 1000 * plan.seconds); i++) {
        const input = tensors[(i + plan.warmup) % tensors.length], start = performance.now();
        const results = await network.run(input), end = performance.now();
        for (const result of results) result.delete();
        if (i >= 0) {
          ms.push(end - start);
          spent += end - start;
        }
        if (end - drawn > 500) {
          show(ms, Math.min(ms.length / plan.frames, plan.seconds ? spent / (1000 * plan.seconds) : 1));
          drawn = performance.now();
        }
        if (end - yielded > 30) {
          await turn();
          yielded = performance.now();
        }
      }
    } finally {
      document.removeEventListener("visibilitychange", leave);
      for (const used of tensors) used.delete();
      network.delete();
    }
    if (!away) return {load_ms, ms};
  }
}
