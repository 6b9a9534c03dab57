"""What tools on phones print, in the form of public logs, with figures of our own."""

BENCHMARK_MODEL = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [200]
INFO: Num threads: [1]
INFO: Graph: [edge-m-full_int8.tflite]
INFO: Loaded model edge-m-full_int8.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.
INFO: The input model file size (MB): 0.989
INFO: Initialized session in 21.5ms.
INFO: Running benchmark for at least 20 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=78 first=7541 curr=6310 min=6200 max=8123 avg=6411.5 std=221 p5=6211 median=6350 p95=6900

INFO: Running benchmark for at least 200 iterations and at least 5 seconds but terminate if exceeding 150 seconds.
INFO: count=789 first=6300 curr=6331 min=6199 max=9050 avg=6339.25 std=140.5 p5=6210 median=6300 p95=6600

INFO: Inference timings in us: Init: 21500, First inference: 7541, Warmup (avg): 6411.5, Inference (avg): 6339.25
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual \
memory footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=4.25 overall=7.5
INFO: Overall peak memory footprint (MB) via periodic monitoring: 11.75
"""
"""Of a recent version."""

OLDER = """\
STARTING!
Loaded model edge-m-full_int8.tflite
Initialized session in 9.12ms.
count=1 curr=3512391

count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, Inference (avg): 2.95034e+06
Peak memory footprint (MB): init=4.92969 overall=138.809
"""
"""Of a version without percentiles, on a slow machine."""

PROFILED = (
    BENCHMARK_MODEL
    + """\
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t  Delegate/TfLiteXNNPack\t    6.223\t    6.213\t100.000%\t100.000%\t     0.000\t        1\tXNNPack:0
Timings (microseconds): count=789 first=6223 curr=6250 min=6100 max=8900 avg=6213 std=130
"""
)
"""With --enable_op_profiling: a count of operators follows the timings."""

LOGCAT = "\n".join(f"I tflite  : {line.removeprefix('INFO: ')}" for line in BENCHMARK_MODEL.splitlines())
"""With Android's log prefix."""

PROPERTIES = {
    "ro.product.manufacturer": "Maker",
    "ro.product.model": "Phone 9",
    "ro.soc.manufacturer": "QTI",
    "ro.soc.model": "SM8550",
    "ro.board.platform": "kalama",
    "ro.build.version.release": "15",
    "ro.build.version.sdk": "35",
    "ro.serialno": "R5CT1234",
}

BATTERY = "Current Battery Service state:\n  AC powered: false\n  level: 80\n  temperature: 314\n  technology: Li-ion\n"
THERMAL = (
    "IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 3\nThermal Status: {status}\nCached temperatures:\n"
)
