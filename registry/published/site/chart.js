// Drawings: a seller's price over time, as steps.
import { el, svg } from "./dom.js";
import { day, usd } from "./format.js";

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 56;
const BOTTOM = 26;

/** Price of input with the day it began: [[time, price], …] oldest first. */
export function steps(offer) {
  const terms = [...(offer.past ?? []), [offer.since, offer.input]];
  return terms.filter(([since, input]) => since && input !== null).map(([since, input]) => [Date.parse(since), input]);
}

/** Input prices of the offers that changed, over time; null when none has changed. */
export function priceChart(offers, until) {
  const series = offers.map((offer) => [offer.provider, steps(offer)]).filter(([, points]) => points.length > 1).slice(0, 6);
  if (!series.length) return null;
  const end = Math.max(Date.parse(until ?? 0) || 0, ...series.flatMap(([, points]) => points.map(([time]) => time)));
  const begin = Math.min(...series.map(([, points]) => points[0][0]));
  const top = Math.max(...series.flatMap(([, points]) => points.map(([, price]) => price))) || 1;
  const x = (time) => LEFT + ((time - begin) / Math.max(end - begin, 1)) * (WIDTH - LEFT - 8);
  const y = (price) => 8 + (1 - price / top) * (HEIGHT - BOTTOM - 8);
  const lines = series.map(([, points], place) => {
    const path = points.map(([time, price], step) => (step ? `H${x(time)}V${y(price)}` : `M${x(time)} ${y(price)}`)).join("");
    return svg("path", { d: `${path}H${x(end)}`, class: `series series-${place}`, fill: "none" });
  });
  const axis = [0, top / 2, top].map((price) => [
    svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(price), y2: y(price), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(price) + 4, "text-anchor": "end" }, usd(price)),
  ]);
  const days = [[begin, "start"], [end, "end"]].map(([time, anchor]) => svg("text", { x: x(time), y: HEIGHT - 6, "text-anchor": anchor }, day(new Date(time).toISOString())));
  const told = series.map(([seller, points]) => `${seller}: ${points.map(([time, price]) => `${usd(price)} from ${day(new Date(time).toISOString())}`).join(", ")}`);
  return el(
    "figure",
    { class: "chart" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Input price in USD per million tokens. ${told.join("; ")}` }, axis, lines, days),
    el("figcaption", {}, "Input price, USD per million tokens. ", series.map(([seller], place) => el("span", { class: `key key-${place}` }, seller))),
  );
}
