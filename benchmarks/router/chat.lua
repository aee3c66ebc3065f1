-- wrk: the same chat over and over; prints one line of JSON. Environment: BENCH_MODEL, BENCH_KEY, BENCH_STREAM.
local prompt = string.rep("Compare the price of a bug with the price of a test. ", 3)
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
wrk.body = string.format(
  '{"model": "%s", "messages": [{"role": "user", "content": "%s"}], "max_tokens": 64, "stream": %s}',
  os.getenv("BENCH_MODEL"), prompt, os.getenv("BENCH_STREAM"))
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('BENCH {"requests": %d, "micros": %d, "failed": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
