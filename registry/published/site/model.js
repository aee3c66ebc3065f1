// A model's page: checkpoints, fit across cards, sellers, launch documents, and who says what.
import { catalogue, details, near, text } from "./data.js";
import { command, copyButton, el, facts, failure, gpuHref, link, modelHref, query, section, tell } from "./dom.js";
import { priceChart } from "./chart.js";
import * as format from "./format.js";
import { onCard } from "./oncard.js";
import { sources } from "./sources.js";
import { table } from "./table.js";

const page = document.getElementById("model");
const START = { gpu: "rtx-4090", count: 1 };

const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function head(model, parts) {
  const { limits = {}, parameters = {}, modalities = {} } = model;
  const size = parameters.active && parameters.active !== parameters.total ? `${format.parameters(parameters.total)}, ${format.parameters(parameters.active)} active` : parameters.total && format.parameters(parameters.total);
  return [
    el("header", { class: "title" },
      el("p", { class: "meta" }, model.lab, model.family ? ` · ${model.family}` : ""),
      el("h1", {}, model.name),
      el("p", { class: "id" }, el("code", {}, model.id)),
      el("p", { class: "tags" }, model.status ? el("span", { class: "tag status" }, model.status) : null, (model.tags ?? []).map((tag) => el("span", { class: "tag" }, tag))),
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
      ["Elsewhere", Object.entries(model.urls ?? {}).flatMap(([name, href], place) => [place ? ", " : "", link(href, format.sourceName(name))])],
    ].map(([label, value]) => [label, Array.isArray(value) && !value.length ? null : value])),
    el("nav", { class: "local", "aria-label": "On this page" }, parts.map(([id, label]) => el("a", { href: `#${id}` }, label)), el("a", { href: `compare.html?${query({ a: model.id })}` }, "Compare …")),
  ];
}

function checkpoints(found) {
  const hub = (row) => (row.hub === "modelscope" ? `https://www.modelscope.cn/models/${row.repo}` : `https://huggingface.co/${row.repo}`);
  return table(count(found.variants.length, "checkpoint"), [
    { key: "id", label: "Repository", cell: (row) => el("span", { class: "name" }, link(hub(row), row.id), el("small", {}, [row.official ? "by the lab" : null, row.gated ? "gated" : null, row.revision?.slice(0, 8)].filter(Boolean).join(" · "))), sort: (row) => row.id.toLowerCase() },
    { key: "scheme", label: "Format", cell: (row) => row.quantization?.scheme ?? format.DASH, sort: (row) => row.quantization?.scheme },
    { key: "bytes", label: "Size", numeric: true, cell: (row) => format.gib(row.weights_bytes), sort: (row) => row.weights_bytes },
    { key: "context", label: "Context", numeric: true, cell: (row) => format.tokens(row.context), sort: (row) => row.context },
    { key: "license", label: "Licence", cell: (row) => row.license ?? format.DASH, sort: (row) => row.license },
    { key: "downloads", label: "Downloads, 30 days", numeric: true, first: "desc", cell: (row) => format.many(row.downloads), sort: (row) => row.downloads },
  ], found.variants, { sort: "downloads", descending: true });
}

const TOLD = { "1": "one card holds it", "2": "two cards hold it", "4": "four cards hold it", "8": "eight cards hold it", "-": "eight cards do not hold it", x: "no engine serves it there", "?": "unknown" };
const SHOWN = { "-": "> 8", x: "✕", "?": "?" };

function where(model, found, known) {
  const row = known.byId.get(model.id);
  if (!row?.fitted.length) return [el("p", { class: "note" }, "No fit is published: no open configuration is known, or other checkpoints are downloaded more. The command ", el("code", {}, `modelscan fit ${model.id} --gpu NAME`), " answers where the configuration can be read.")];
  const plan = found.plans[0];
  const { first, checkpoint, nodes } = onCard(row, known, plan ? { gpu: plan.gpu, count: plan.gpu_count } : START);
  const grid = el("div", { class: "cards" });
  const caption = el("p", { class: "meta" });
  const showSlices = el("input", { type: "checkbox", id: "slices" });
  const draw = () => {
    const place = checkpoint.value === "" ? null : Number(checkpoint.value);
    const sign = (gpu) => (place === null ? easiest(row, known.fewest[gpu]) : known.fewest[gpu][place]);
    caption.replaceChildren("The fewest of 1, 2, 4 or 8 cards that hold ", place === null ? "the easiest checkpoint" : el("code", {}, known.variants[place].id), " at its declared context; > 8 more than that, ✕ no engine serves it there.");
    grid.replaceChildren(...known.groups.filter(([maker]) => showSlices.checked || !maker.includes("MIG")).map(([maker, ids]) =>
      el("section", { "aria-label": maker }, el("h3", {}, maker), el("ul", { class: "tiles" },
        ids.map((id) => known.cards.get(id)).sort((a, b) => a.memory - b.memory || a.name.localeCompare(b.name)).map((card) => tile(model, card, sign(card.id)))))));
  };
  checkpoint.addEventListener("change", draw);
  showSlices.addEventListener("change", draw);
  draw();
  return { first, nodes: [...nodes, el("details", { class: "every" }, el("summary", {}, "On every card"), caption, el("label", { class: "chip" }, showSlices, el("span", {}, "MIG slices too")), grid)] };
}

function easiest(row, signs) {
  const all = row.fitted.map((place) => signs[place]);
  return all.filter((sign) => sign >= "1" && sign <= "8").sort()[0] ?? ["-", "x", "?"].find((sign) => all.includes(sign));
}

function tile(model, card, sign) {
  const count = Number(sign) || 1;
  return el("li", { class: `tile fewest-${{ "-": "none", x: "refused", "?": "unknown" }[sign] ?? sign}` }, el("a", { href: `${modelHref(model.id, { gpu: card.id, count })}#fit` }, el("span", { class: "what" }, card.label.replace(/^(GeForce|Instinct|Radeon) /, "")), el("span", { class: "sign", "aria-hidden": "true" }, SHOWN[sign] ?? `${sign} ×`), el("span", { class: "sr" }, `: ${TOLD[sign]}`)));
}

function sellers(found) {
  if (!found.offers.length) return el("p", { class: "note" }, "Nobody is known to sell it by the token.");
  const dated = document.querySelector("footer time")?.dateTime;
  const chart = priceChart(found.offers, dated);
  const cost = (row) => (row.input === null || row.output === null ? null : 3 * row.input + row.output);
  return [
    chart ?? el("p", { class: "meta" }, "No seller's price has changed since it was first seen."),
    table(`${count(found.offers.length, "offer")}, USD per million tokens; free means within a quota or a subscription, and comes last`, [
      { key: "seller", label: "Seller", cell: (row) => el("span", { class: "name" }, row.provider, el("small", {}, row.provider_model)), sort: (row) => row.provider },
      { key: "input", label: "Input", numeric: true, cell: (row) => format.usd(row.input), sort: (row) => row.input },
      { key: "output", label: "Output", numeric: true, cell: (row) => format.usd(row.output), sort: (row) => row.output },
      { key: "sum", label: "3 in + 1 out", numeric: true, cell: (row) => format.usd(cost(row)), sort: (row) => cost(row) || null },
      { key: "cache", label: "Cached input", numeric: true, cell: (row) => format.usd(row.cache_read), sort: (row) => row.cache_read },
      { key: "context", label: "Context", numeric: true, cell: (row) => format.tokens(row.context), sort: (row) => row.context },
      { key: "since", label: "Seen since", numeric: true, cell: (row) => row.since ?? format.DASH, sort: (row) => row.since },
    ], found.offers, { sort: "sum", page: 20 }),
  ];
}

const TARGETS = { "launch.sh": "Command", "compose.yaml": "Compose", "kserve.yaml": "KServe", "gpustack.json": "GPUStack" };

function launch(found, known) {
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
      el("p", {}, el("strong", {}, `${plan.gpu_count} × `), link(gpuHref(plan.gpu), known.cards.get(plan.gpu)?.name ?? plan.gpu), ` with ${plan.engine} ${plan.engine_version}: `, el("code", {}, plan.variant), `, ${format.tokens(plan.context)} tokens, ${format.range(plan.decode_tok_s_low, plan.decode_tok_s_high)} tokens/s, ${format.short(plan.max_concurrency)} such requests at once.`),
      plan.reasons?.length ? el("p", { class: "meta" }, plan.reasons.join(" ")) : null,
      el("div", { class: "tabs" }, tabs, copyButton(code, "the document")),
      box,
      el("p", { class: "meta" }, "Other targets (four forms of KServe, KAITO, llm-d, SGLang, an air-gap list) and other cards:"),
      command(`modelscan manifest ${found.model.id} --gpu ${plan.gpu}:${plan.gpu_count} --target all --out ${found.model.id.split("/").at(-1)}`),
    );
  });
}

async function show() {
  const id = new URLSearchParams(location.search).get("id");
  try {
    if (!id) throw new Error("No model is named. Find one on the first page.");
    const [known, found] = await Promise.all([catalogue(), details(id)]);
    if (!found) {
      const ids = near(id, known);
      page.replaceChildren(el("h1", {}, "No such model"), failure(new Error(`The catalogue has no model ${id}.`)),
        ids.length ? el("div", {}, el("p", {}, "Did you mean"), el("ul", {}, ids.map((one) => el("li", {}, link(modelHref(one), one))))) : "",
        el("p", {}, link("index.html?gpu=any", "All models")));
      return done();
    }
    document.title = `${found.model.name} – ModelScan`;
    const fit = found.variants.length ? where(found.model, found, known) : null;
    await fit?.first;
    const parts = [
      ...(fit ? [["fit", "On your card", fit.nodes ?? fit], ["checkpoints", "Checkpoints", checkpoints(found)], ["launch", "Launch", launch(found, known)]] : []),
      ["sellers", "Sellers", sellers(found)],
      ["sources", "Who says so", sources(found)],
    ];
    page.replaceChildren(
      ...head(found.model, parts),
      fit ? "" : el("p", { class: "note" }, "No open weights are known: it runs only at those who sell it."),
      ...parts.map(([id, title, nodes]) => section(id, title, ...[nodes].flat())),
    );
    tell(`${found.model.name}: ${count(found.variants.length, "checkpoint")}, ${count(found.offers.length, "offer")}`);
  } catch (error) {
    page.replaceChildren(el("h1", {}, "No such page"), failure(error), el("p", {}, link("index.html?gpu=any", "All models")));
  }
  done();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ behavior: "instant" });
}

function done() {
  page.removeAttribute("aria-busy");
  performance.mark("usable");
}

show();
