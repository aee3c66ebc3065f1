// Build elements from text: nothing from the catalogue is ever parsed as markup.
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; strings become text, null and false are left out. */
export function el(name, attributes = {}, ...children) {
  return built(document.createElement(name), attributes, children);
}

/** The same for drawings. */
export function svg(name, attributes = {}, ...children) {
  return built(document.createElementNS(SVG, name), attributes, children);
}

function built(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A link; an address that is not https or relative becomes plain text. */
export function link(href, text, attributes = {}) {
  const safe = /^(https:\/\/|[\w.%/-]+(\?|$|#))/.test(href) && !/^[a-z]+:(?!\/\/)/i.test(href);
  if (!safe) return el("span", attributes, text);
  const outside = href.startsWith("https://") ? { rel: "noopener noreferrer" } : {};
  return el("a", { href, ...outside, ...attributes }, text);
}

/** Address of a model's page. */
export const modelHref = (id) => `model.html?id=${encodeURIComponent(id)}`;

/** Address of a card's page. */
export const gpuHref = (id) => `gpu.html?id=${encodeURIComponent(id)}`;

/** A list of facts; entries without a value are left out. */
export function facts(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, known.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
}

/** A section with its own heading, to be linked to. */
export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
}

/** Say to a screen reader what the page shows now. */
export function tell(message) {
  document.getElementById("status").textContent = message;
}

/** What went wrong, in place of the content. */
export function failure(error) {
  return el("p", { class: "note failure", role: "alert" }, error.message);
}

/** A button that copies the text of `node`; where the browser forbids that, it selects the text. */
export function copyButton(node) {
  const button = el("button", { type: "button", class: "quiet copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(node.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(node);
      button.textContent = "Selected: now Ctrl C";
    }
    tell(button.textContent);
    setTimeout(() => (button.textContent = "Copy"), 2500);
  });
  return button;
}
