# What `python -m benchmarks device` does on the device. Each call sends it on standard input, as
#   sh -s -- ACTION FOLDER ARGUMENT...
# and a copy in the folder runs `work` in the background. POSIX sh: a board may have no bash. Only what follows a line
# that begins with `fhe:` is read, because a user's login scripts may print lines of their own.
#
# In the folder: `ours` marks it, and lists the folders that were made for it; `request` and `commit` say what is to be
# run; `phase`, `pid`, `log` and `ended` (the exit code) say how far it is; `fetched` says that the result was taken,
# `discarded` that the run is being ended, and `sending` that a call is sending its files.
set -u
action=$1 folder=$2
shift 2
export LC_ALL=C # the messages that say why something failed are read
case $folder in /*) ;; *) folder=$HOME/$folder ;; esac

tell() { printf 'fhe:%s\n' "$*"; }

running() { # the process is ours, and not another one with the same number after a restart
  [ -s "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null &&
    grep -q on_device "/proc/$(cat "$folder/pid")/cmdline" 2>/dev/null
}

state() {
  if [ -e "$folder/discarded" ]; then
    tell state=none
  elif running; then
    tell state=running
  elif [ -s "$folder/ended" ]; then
    tell state=ended
    tell "code=$(cat "$folder/ended")"
  elif [ -s "$folder/pid" ]; then
    tell state=died
  else
    tell state=none
  fi
  for name in request commit phase fetched; do
    [ ! -s "$folder/$name" ] || tell "$name=$(head -n 1 "$folder/$name")"
  done
}

probe() { # PYTHON: what the device is, and what an earlier call left there
  place=$folder
  while [ ! -e "$place" ]; do place=$(dirname "$place"); done
  tell "folder=$folder"
  if [ ! -d "$place" ] || [ ! -w "$place" ]; then tell "not_writable=$place"; fi
  if [ -e "$folder" ] && [ ! -e "$folder/ours" ]; then tell foreign=yes; fi
  df -Pk "$place" | { read -r _ && read -r _ _ _ free _ && tell "free_kb=$free"; }
  tell "machine=$(uname -m)"
  state
  path=$(command -v "$1") || return 0
  tell "python=$path"
  "$1" - <<'PYTHON'
import platform, struct, sys
print("fhe:version=%d.%d" % sys.version_info[:2])
print("fhe:bits=%d" % (8 * struct.calcsize("P")))
print("fhe:libc=%s %s" % platform.libc_ver())
try:
    import ensurepip, venv
    print("fhe:venv=yes")
except ImportError:
    pass
PYTHON
  return 0
}

is_fresh() { # a call is sending, or was cut off within minutes: tar gives files the time at which it writes them
  [ -n "$(find "$folder" -maxdepth 2 -mmin -10 2>/dev/null | head -n 1)" ]
}

prepare() { # the folder, empty but for an environment that --keep left there
  if running; then tell busy=run && return 0; fi
  if [ ! -e "$folder/ours" ]; then
    if [ -n "$(ls -A "$folder" 2>/dev/null)" ]; then return 1; fi # somebody else's
    made= place=$folder
    while [ ! -d "$place" ]; do
      made="$made$place
"
      place=$(dirname "$place")
    done
    (umask 077 && mkdir -p "$folder") && printf '%s' "$made" >"$folder/ours" || return 1
    [ -s "$folder/ours" ] || echo >"$folder/ours"
  fi
  if ! mkdir "$folder/sending" 2>/dev/null && [ -d "$folder/sending" ] && is_fresh; then tell busy=sending && return 0; fi
  for name in "$folder"/*; do
    case ${name##*/} in ours | venv | sending) ;; *) rm -rf "$name" ;; esac
  done
  mkdir -p "$folder/tmp"
  head -c 65536 /dev/zero >"$folder/reserve" # so that a run on a full disk can still say how it ended
}

start() { # PYTHON ARGUMENT...: everything that takes long, so that it does not depend on the connection
  if running; then return 0; fi
  cd "$folder" && echo waiting >phase && : >log || return 1
  setsid=$(command -v setsid)
  # a session of its own: the hang-up of a lost connection does not reach it
  nohup $setsid sh ./on_device.sh work "$folder" "$@" >>log 2>&1 </dev/null &
  while [ ! -s pid ] && [ -d "/proc/$!" ]; do sleep 0.1 2>/dev/null || sleep 1; done
  rm -rf sending
  [ -s pid ]
}

finish() { # at the end of `work`, however it ends
  cd "$folder" || exit 1
  df -Pk . | { read -r _ && read -r _ _ _ free _ && [ "$free" -gt 1024 ] || echo "No space left on device"; }
  rm -f reserve
  echo "${code:-1}" >ended
}

work() { # PYTHON ARGUMENT...: in the background
  cd "$folder" || exit 1
  trap finish EXIT
  echo $$ >pid
  unset PYTHONPATH PYTHONHOME
  export TMPDIR="$folder/tmp" PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
  python=$1
  shift
  echo environment >phase
  made="$(command -v "$python") $("$python" -V 2>&1)"
  if [ "$(cat venv/made 2>/dev/null)" = "$made" ] && venv/bin/python -m pip uninstall -q -y fetal-head-edge; then
    echo "going on with the environment that is there"
  else
    echo "making a virtual environment"
    rm -rf venv
    "$python" -m venv venv && echo "$made" >venv/made || exit
  fi
  echo packages >phase
  offline=
  [ ! -d wheels ] || offline="--no-index --find-links wheels"
  venv/bin/python -m pip install --no-cache-dir --progress-bar off $offline ./wheel/*.whl || exit
  echo run >phase
  cd source || exit
  ../venv/bin/python -m benchmarks run "$@"
  code=$?
}

follow() { # OFFSET: the log from there on, until the run has ended
  tell log
  at=$1
  while :; do
    more=no
    if running; then more=yes; fi
    [ -e "$folder/log" ] || return 0 # --discard took it away
    size=$(wc -c <"$folder/log")
    if [ "$size" -gt "$at" ]; then
      tail -c "+$((at + 1))" "$folder/log" | head -c "$((size - at))" || return 1 # nobody listens any more
      at=$((size))
    fi
    [ $more = yes ] || return 0
    sleep 2
  done
}

result() {
  [ -s "$folder/result.json" ] || return 0
  tell result
  cat "$folder/result.json"
}

fetched() { echo yes >"$folder/fetched"; }

clean() { # ends what runs, and leaves nothing
  [ -e "$folder/ours" ] || return 0
  if running; then
    group=$(cat "$folder/pid")
    : >"$folder/discarded" # for a call that follows the run meanwhile
    kill -s TERM -- "-$group" 2>/dev/null || kill -s TERM "$group"
    for _ in 1 2 3 4 5 6 7 8 9 10; do # what it started may take longer than itself
      running || kill -s 0 -- "-$group" 2>/dev/null || break
      sleep 1
    done
    kill -s KILL -- "-$group" 2>/dev/null || ! running || kill -s KILL "$group"
  fi
  made=$(cat "$folder/ours")
  rm -rf "$folder" || return 1
  printf '%s\n' "$made" | while read -r place; do rmdir "$place" 2>/dev/null; done
  return 0
}

"$action" "$@" </dev/null
exit
