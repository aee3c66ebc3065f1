// All cards, or one card: its figures with their sources, and how much of the catalogue it holds.
import { catalogue, json } from "./data.js";
import { el, facts, failure, gpuHref, link, section, tell } from "./dom.js";
import * as format from "./format.js";
import { table } from "./table.js";

const page = document.getElementById("gpu");
const COUNTS = [1, 2, 4, 8];

/** Models with a checkpoint that so many cards hold. */
function held(known, gpu) {
  const signs = known.fewest[gpu] ?? "";
  const least = known.models
    .map((model) => Math.min(...model.fitted.map((place) => Number(signs[place]) || Infinity)))
    .filter(Number.isFinite);
  return COUNTS.map((count) => least.filter((one) => one <= count).length);
}

const fitted = (known) => known.models.filter((model) => model.fitted.length).length;

function all(profiles, known) {
  const rows = profiles.filter((profile) => known.fewest[profile.id]).map((profile) => ({ profile, held: held(known, profile.id) }));
  const columns = [
    { key: "name", label: "Card", cell: ({ profile }) => el("span", { class: "name" }, link(gpuHref(profile.id), profile.name), el("small", {}, profile.id)), sort: ({ profile }) => profile.name.toLowerCase() },
    { key: "memory", label: "Memory, GB", numeric: true, first: "desc", cell: ({ profile }) => format.short(profile.memory_gib_marketing), sort: ({ profile }) => profile.memory_gib_marketing },
    { key: "bandwidth", label: "GB/s", numeric: true, first: "desc", cell: ({ profile }) => format.short(profile.bandwidth_gb_s), sort: ({ profile }) => profile.bandwidth_gb_s },
    { key: "fp16", label: "FP16 TFLOPS", numeric: true, first: "desc", cell: ({ profile }) => format.short(profile.tflops_dense?.fp16), sort: ({ profile }) => profile.tflops_dense?.fp16 },
    { key: "price", label: "$/hour", numeric: true, cell: ({ profile }) => format.usd(profile.price_usd_per_hour), sort: ({ profile }) => profile.price_usd_per_hour },
    ...COUNTS.map((count, place) => ({ key: `held${count}`, label: `Models on ${count}`, numeric: true, first: "desc", cell: (row) => String(row.held[place]), sort: (row) => row.held[place] })),
  ];
  const search = el("input", { id: "q", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "name, maker, architecture" });
  const place = el("div", {});
  const order = { sort: "held1", descending: true };
  const draw = () => {
    const words = search.value.trim().toLowerCase().split(/\s+/);
    const wanted = rows.filter(({ profile }) => words.every((word) => [profile.id, profile.name, profile.architecture, ...profile.aliases].join(" ").toLowerCase().includes(word)));
    place.replaceChildren(table(`${wanted.length} cards and slices`, columns, wanted, order));
  };
  search.addEventListener("input", draw);
  draw();
  page.replaceChildren(
    el("h1", {}, "Cards"),
    el("p", { class: "lead" }, `What is known of each card, and how many of the ${fitted(known)} models with a fit run on 1, 2, 4 or 8 of it at their declared context, tight ones included.`),
    el("div", { class: "filters" }, el("div", { class: "field grow" }, el("label", { for: "q" }, "Search"), search)),
    place,
  );
}

const UNITS = {
  memory_gib_marketing: ["Memory, by name", "GB"], memory_gib_driver: ["Memory, as the driver counts", "GiB"], bandwidth_gb_s: ["Memory bandwidth", "GB/s"],
  interconnect_gb_s: ["Between cards", "GB/s each way"], price_usd_per_hour: ["Rent", "USD an hour"], compute_capability: ["Compute capability", ""], gfx: ["GFX target", ""],
};

/** A source's name, linked where it has an address. */
function cited(key, told) {
  if (!key) return format.DASH;
  const url = told[key]?.url;
  return url ? link(url, format.sourceName(key)) : format.sourceName(key);
}

function one(profile, known, told) {
  document.title = `${profile.name} – ModelScan`;
  const numbers = held(known, profile.id);
  const rows = [
    ...Object.entries(UNITS).map(([field, [label, unit]]) => ({ field, label, unit, value: profile[field] })),
    ...Object.entries(profile.tflops_dense ?? {}).map(([kind, value]) => ({ field: `tflops_dense.${kind}`, label: `Dense ${kind.toUpperCase()}`, unit: "TFLOPS", value })),
  ].filter((row) => row.value !== null && row.value !== undefined);
  const others = (field) => profile.conflicts.filter((conflict) => conflict.field === field);
  const bars = el("dl", { class: "bars" }, COUNTS.map((count, place) => {
    const bar = el("span", { class: "fill" });
    bar.style.width = `${(100 * numbers[place]) / Math.max(1, fitted(known))}%`;
    return el("div", {}, el("dt", {}, `${count} ×`), el("dd", {}, el("span", { class: "track", "aria-hidden": "true" }, bar), link(`index.html?gpu=${encodeURIComponent(profile.id)}&count=${count}`, `${numbers[place]} models`)));
  }));
  page.replaceChildren(...[
    el("header", { class: "title" }, el("p", { class: "meta" }, [profile.architecture, profile.unified_memory ? "memory shared with the system" : null].filter(Boolean).join(" · ")), el("h1", {}, profile.name), el("p", { class: "id" }, el("code", {}, profile.id))),
    facts([
      ["Memory", `${format.short(profile.memory_gib_marketing)} GB by name`],
      ["Usable, as its driver counts", `${known.cards.get(profile.id)?.gib ?? format.DASH} GiB${profile.memory_gib_driver ? "" : ", estimated"}`],
      ["Bandwidth", profile.bandwidth_gb_s && `${profile.bandwidth_gb_s.toLocaleString("en")} GB/s`],
      ["Dense FP16", profile.tflops_dense?.fp16 && `${format.short(profile.tflops_dense.fp16)} TFLOPS`],
      ["Rent", profile.price_usd_per_hour && `${format.usd(profile.price_usd_per_hour)} an hour`],
      ["Slice of", profile.mig_parent && link(gpuHref(profile.mig_parent), profile.mig_parent)],
      ["Also called", profile.aliases.join(", ")],
    ]),
    section("holds", "What it holds", el("p", { class: "meta" }, `Of ${fitted(known)} models with a fit, so many run at their full context, tight ones included.`), bars),
    section("figures", "Figures", table(`Figures of ${profile.name}`, [
      { key: "label", label: "Figure", cell: (row) => row.label, sort: (row) => row.label },
      { key: "value", label: "Value", cell: (row) => `${row.value} ${row.unit}`.trim() },
      { key: "source", label: "Source", cell: (row) => cited(profile.sources[row.field], told), sort: (row) => profile.sources[row.field] },
      { key: "others", label: "Others say", cell: (row) => others(row.field).map((conflict) => el("span", { class: "told disputed" }, `${conflict.value} ${row.unit}`, el("small", {}, cited(conflict.source, told)))) },
    ], rows),
    el("h3", {}, "What was read there"),
    el("dl", { class: "read" }, [...new Set([...rows.map((row) => profile.sources[row.field]), ...profile.conflicts.map((conflict) => conflict.source)])].filter((key) => told[key]).map((key) => el("div", {}, el("dt", {}, cited(key, told)), el("dd", {}, told[key].evidence))))),
    el("p", {}, link("gpu.html", "All cards")),
  ].filter(Boolean));
}

async function show() {
  const id = new URLSearchParams(location.search).get("id");
  try {
    const [known, profiles] = await Promise.all([catalogue(), json("../gpu_profiles.json")]);
    const profile = id && profiles.find((candidate) => candidate.id === id);
    if (id && !profile) throw new Error(`The catalogue has no card ${id}.`);
    if (profile) one(profile, known, await json("data/card_sources.json"));
    else all(profiles, known);
    tell(profile ? profile.name : `${profiles.length} cards`);
  } catch (error) {
    page.replaceChildren(el("h1", {}, "No such page"), failure(error), el("p", {}, link("gpu.html", "All cards")));
  }
  page.removeAttribute("aria-busy");
  performance.mark("usable");
}

show();
