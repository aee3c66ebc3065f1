// Calls one compiled client as the contract asks and prints what came of it as JSON.
const [file, name, baseUrl, key, text, kind] = process.argv.slice(2);
const { [name]: Client } = await import(file);
const client = new Client({ baseUrl, key, firstWaitMs: 1 });
const say = [{ role: "user", content: text }];
const ask = async (c, model) => kind === "anthropic-compatible" ? (await c.message(model, say, 9)).content[0].text
  : kind === "custom" ? (await c.generate({ messages: say }, model)).text
  : (await c.chat(model, say)).choices[0].message.content;
const stream = (c, model) => kind === "anthropic-compatible" ? c.stream(model, say, 9)
  : kind === "custom" ? c.stream_generate({ messages: say }, model) : c.stream(model, say);
const piece = (p) => kind === "anthropic-compatible" ? (p.delta?.text ?? "") : kind === "custom" ? p.text
  : (p.choices[0]?.delta.content ?? "");
const collect = async (c, model) => { let all = ""; for await (const p of stream(c, model)) all += piece(p); return all; };
const fault = async (act) => { try { await act(); return "none"; } catch (e) {
  return String(e.message).includes(key) ? "told the key" : (e.fault ?? String(e)); } };
console.log(JSON.stringify({
  echo: await ask(client, "echo"), flaky: await ask(client, "flaky"), limited: await ask(client, "limited"),
  stream: await collect(client, "echo"),
  request: await fault(() => ask(client, "status-400")), server: await fault(() => ask(client, "status-500")),
  rate_limit: await fault(() => ask(client, "status-429")), answer: await fault(() => ask(client, "garbage")),
  broken_stream: await fault(() => collect(client, "cut")),
  deadline: await fault(() => ask(new Client({ baseUrl, key, timeoutMs: 100 }), "hang")),
  authentication: await fault(() => ask(new Client({ baseUrl, key: "wrong" }), "echo")),
  withheld_key: await fault(() => new Client({ baseUrl: "http://example.com", key })),
}));
