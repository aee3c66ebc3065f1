// A model's page: checkpoints, fit across cards, sellers, launch documents, and who says what.
import { catalogue, details, text } from "./data.js";
import { copyButton, el, facts, failure, gpuHref, link, section, tell } from "./dom.js";
import { priceChart } from "./chart.js";
import * as format from "./format.js";
import { sources } from "./sources.js";
import { table } from "./table.js";

const page = document.getElementById("model");

function head(model) {
  const { limits = {}, parameters = {}, modalities = {} } = model;
  const size = parameters.active && parameters.active !== parameters.total ? `${format.parameters(parameters.total)}, ${format.parameters(parameters.active)} active` : parameters.total && format.parameters(parameters.total);
  return [
    el("header", { class: "title" },
      el("p", { class: "meta" }, model.lab, model.family ? ` · ${model.family}` : "", model.status ? ` · ${model.status}` : ""),
      el("h1", {}, model.name),
      el("p", { class: "id" }, el("code", {}, model.id)),
      el("p", { class: "tags" }, (model.tags ?? []).map((tag) => el("span", { class: "tag" }, tag))),
    ),
    facts([
      ["Parameters", size],
      ["Context", limits.context && `${limits.context.toLocaleString("en")} tokens`],
      ["Longest answer", limits.output && `${limits.output.toLocaleString("en")} tokens`],
      ["Takes", modalities.input?.join(", ")],
      ["Gives", modalities.output?.join(", ")],
      ["Licence", model.licenses?.join(", ")],
      ["Released", model.release_date],
      ["Knowledge until", model.knowledge],
      ["Elsewhere", Object.entries(model.urls ?? {}).flatMap(([name, href], place) => [place ? ", " : "", link(href, name)])],
    ].map(([label, value]) => [label, Array.isArray(value) && !value.length ? null : value])),
    el("nav", { class: "local", "aria-label": "On this page" }, [["checkpoints", "Checkpoints"], ["fit", "Where it runs"], ["sellers", "Sellers"], ["launch", "Launch"], ["sources", "Sources"]].map(([id, label]) => el("a", { href: `#${id}` }, label)), el("a", { href: `compare.html?a=${encodeURIComponent(model.id)}` }, "Compare …")),
  ];
}

function checkpoints(found) {
  if (!found.variants.length) return el("p", { class: "note" }, "No open weights are known.");
  const hub = (row) => (row.hub === "modelscope" ? `https://www.modelscope.cn/models/${row.repo}` : `https://huggingface.co/${row.repo}`);
  return table(`${found.variants.length} checkpoints`, [
    { key: "id", label: "Repository", cell: (row) => el("span", { class: "name" }, link(hub(row), row.id), el("small", {}, [row.official ? "by the lab" : null, row.gated ? "gated" : null, row.revision?.slice(0, 8)].filter(Boolean).join(" · "))), sort: (row) => row.id.toLowerCase() },
    { key: "scheme", label: "Weights in", cell: (row) => row.quantization?.scheme ?? format.DASH, sort: (row) => row.quantization?.scheme },
    { key: "bytes", label: "Size", numeric: true, cell: (row) => format.gib(row.weights_bytes), sort: (row) => row.weights_bytes },
    { key: "context", label: "Context", numeric: true, cell: (row) => format.tokens(row.context), sort: (row) => row.context },
    { key: "license", label: "Licence", cell: (row) => row.license ?? format.DASH, sort: (row) => row.license },
    { key: "downloads", label: "Downloads, 30 days", numeric: true, first: "desc", cell: (row) => format.many(row.downloads), sort: (row) => row.downloads },
  ], found.variants, { sort: "downloads", descending: true });
}

const VENDORS = { nvidia: "NVIDIA", amd: "AMD", intel: "Intel", apple: "Apple", ascend: "Huawei Ascend" };
const TOLD = { "1": "one card holds it", "2": "two cards hold it", "4": "four cards hold it", "8": "eight cards hold it", "-": "eight cards do not hold it", x: "no engine serves it there", "?": "unknown" };
const SHOWN = { "-": "–", x: "✕", "?": "?" };

function across(model, known) {
  const places = known.byId.get(model.id)?.fitted ?? [];
  if (!places.length) return el("p", { class: "note" }, "No fit is published: no open configuration is known, or other checkpoints are downloaded more.");
  const grid = el("div", { class: "cards" });
  const choice = el("select", { id: "checkpoint" }, places.map((place) => el("option", { value: place }, `${known.variants[place].id}${known.variants[place].scheme ? ` (${known.variants[place].scheme})` : ""}`)));
  const showSlices = el("input", { type: "checkbox", id: "slices" });
  const draw = () => {
    const byVendor = new Map();
    for (const gpu of known.gpus) {
      if (gpu.id.includes("-mig-") && !showSlices.checked) continue;
      if (!byVendor.has(gpu.vendor)) byVendor.set(gpu.vendor, []);
      byVendor.get(gpu.vendor).push(gpu);
    }
    grid.replaceChildren(...[...byVendor].sort(([a], [b]) => Object.keys(VENDORS).indexOf(a) - Object.keys(VENDORS).indexOf(b)).map(([vendor, gpus]) =>
      el("section", { "aria-label": VENDORS[vendor] ?? vendor }, el("h3", {}, VENDORS[vendor] ?? vendor), el("ul", { class: "tiles" },
        gpus.sort((a, b) => a.memory - b.memory || a.name.localeCompare(b.name)).map((gpu) => tile(gpu, known.fewest[gpu.id][choice.value]))))));
  };
  choice.addEventListener("change", draw);
  showSlices.addEventListener("change", draw);
  draw();
  return [
    el("p", {}, "The fewest cards that hold it at its declared context, of 1, 2, 4 and 8."),
    el("div", { class: "filters" }, el("div", { class: "field grow" }, el("label", { for: "checkpoint" }, "Checkpoint"), choice), el("label", { class: "chip plainchip" }, showSlices, el("span", {}, "MIG slices"))),
    grid,
  ];
}

function tile(gpu, sign) {
  const name = gpu.name.replace(/^(NVIDIA|AMD|Intel|Apple|Huawei)\s+(GeForce\s+|Instinct\s+|Radeon\s+)?/, "");
  return el("li", { class: `tile fewest-${{ "-": "none", x: "refused", "?": "unknown" }[sign] ?? sign}` }, el("a", { href: gpuHref(gpu.id) }, el("span", { class: "what" }, name), el("span", { class: "sign", "aria-hidden": "true" }, SHOWN[sign] ?? `${sign} ×`), el("span", { class: "sr" }, `: ${TOLD[sign]}`)));
}

function sellers(found) {
  if (!found.offers.length) return el("p", { class: "note" }, "Nobody is known to sell it by the token.");
  const dated = document.querySelector("footer time")?.dateTime;
  const chart = priceChart(found.offers, dated);
  const cost = (row) => (row.input === null ? null : row.input + (row.output ?? 0));
  return [
    chart ?? el("p", { class: "meta" }, "No seller's price has changed since it was first seen."),
    table(`${found.offers.length} offers, USD per million tokens`, [
      { key: "seller", label: "Seller", cell: (row) => el("span", { class: "name" }, row.provider, el("small", {}, row.provider_model)), sort: (row) => row.provider },
      { key: "input", label: "Input", numeric: true, cell: (row) => format.usd(row.input), sort: (row) => row.input },
      { key: "output", label: "Output", numeric: true, cell: (row) => format.usd(row.output), sort: (row) => row.output },
      { key: "sum", label: "In + out", numeric: true, cell: (row) => format.usd(cost(row)), sort: cost },
      { key: "cache", label: "Cached input", numeric: true, cell: (row) => format.usd(row.cache_read), sort: (row) => row.cache_read },
      { key: "context", label: "Context", numeric: true, cell: (row) => format.tokens(row.context), sort: (row) => row.context },
      { key: "since", label: "Seen since", numeric: true, cell: (row) => row.since ?? format.DASH, sort: (row) => row.since },
    ], found.offers, { sort: "sum" }),
  ];
}

const TARGETS = { "launch.sh": "Command", "compose.yaml": "Compose", "kserve.yaml": "KServe", "gpustack.json": "GPUStack" };

function launch(found) {
  if (!found.plans.length) return el("p", { class: "note" }, "No reference machine is known to hold it, so no document is published. The command modelscan fit plans for yours, and modelscan manifest writes its documents.");
  return found.plans.map((plan) => {
    const code = el("code", {});
    const box = el("pre", { class: "code", tabindex: "0", "aria-label": "Launch document" }, code);
    const tabs = plan.manifests.map((path) => {
      const file = path.split("/").at(-1);
      return el("button", { type: "button", "aria-pressed": "false", onclick: (event) => show(path, event.currentTarget) }, TARGETS[file] ?? file);
    });
    async function show(path, tab) {
      for (const other of tabs) other.setAttribute("aria-pressed", String(other === tab));
      try {
        code.textContent = await text(`../${path.split("/").map(encodeURIComponent).join("/")}`);
      } catch (error) {
        code.textContent = error.message;
      }
    }
    if (tabs.length) show(plan.manifests[0], tabs[0]);
    return el("div", { class: "plan" },
      el("p", {}, el("strong", {}, `${plan.gpu_count} × `), link(gpuHref(plan.gpu), plan.gpu), ` with ${plan.engine} ${plan.engine_version}: `, el("code", {}, plan.variant), `, ${format.tokens(plan.context)} tokens, ${format.range(plan.decode_tok_s_low, plan.decode_tok_s_high)} tokens/s, ${format.short(plan.max_concurrency)} such requests at once.`),
      plan.reasons?.length ? el("p", { class: "meta" }, plan.reasons.join(" ")) : null,
      el("div", { class: "tabs" }, tabs, copyButton(code)),
      box,
      el("p", { class: "meta" }, "For other cards, and for the other targets (four forms of KServe, KAITO, llm-d, SGLang, an air-gap list): ", el("code", {}, `modelscan manifest ${found.model.id} --gpu ${plan.gpu}:${plan.gpu_count} --target all --out ${found.model.id.split("/").at(-1)}`)),
    );
  });
}

async function show() {
  const id = new URLSearchParams(location.search).get("id");
  try {
    if (!id) throw new Error("No model is named. Find one on the first page.");
    const [known, found] = await Promise.all([catalogue(), details(id)]);
    if (!found) throw new Error(`The catalogue has no model ${id}. Find one on the first page.`);
    document.title = `${found.model.name} – ModelScan`;
    page.replaceChildren(
      ...head(found.model),
      section("checkpoints", "Checkpoints", checkpoints(found)),
      section("fit", "Where it runs", ...[across(found.model, known)].flat()),
      section("sellers", "Sellers", ...[sellers(found)].flat()),
      section("launch", "Launch", ...[launch(found)].flat()),
      section("sources", "Who says so", ...sources(found)),
    );
    tell(`${found.model.name}: ${found.variants.length} checkpoints, ${found.offers.length} offers`);
  } catch (error) {
    page.replaceChildren(el("h1", {}, "No such page"), failure(error), el("p", {}, link("index.html?gpu=any", "All models")));
  }
  page.removeAttribute("aria-busy");
  performance.mark("usable");
}

show();
