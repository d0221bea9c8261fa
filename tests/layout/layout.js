// Looks at a page of the panel. Put into the page by the test.

/** Whether something can be seen of an element. */
function isSeen(element) {
  const box = element.getBoundingClientRect();
  if (box.width < 1 || box.height < 1) return false;
  const style = getComputedStyle(element);
  return style.visibility === "visible" && style.opacity !== "0" && !element.closest(".visually-hidden, .skip-link, [hidden]");
}

function nameOf(element) {
  const testid = element.closest("[data-testid]")?.dataset.testid;
  const css = typeof element.className === "string" ? element.className.split(" ")[0] : "";
  const text = element.textContent.trim().slice(0, 30);
  return `<${element.tagName.toLowerCase()}${css && `.${css}`}>${testid ? ` in ${testid}` : ""} "${text}"`;
}

/** Elements that stand beyond what holds them and are neither scrolled to nor cut with dots. */
function beyond() {
  const found = [];
  for (const element of document.querySelectorAll("#app *")) {
    if (!isSeen(element) || element.closest("svg svg, .log-view__frame, .xterm, .sparkline, .chart__area")) continue;
    const box = element.getBoundingClientRect();
    let holder = element.parentElement;
    let fixed = getComputedStyle(element).position === "fixed";
    while (holder && holder !== document.body && !fixed) {
      const style = getComputedStyle(holder);
      fixed = style.position === "fixed";
      if (style.overflowX !== "visible") break;
      holder = holder.parentElement;
    }
    const own = !holder || holder === document.body || fixed;
    const edge = own ? { left: 0, right: innerWidth } : holder.getBoundingClientRect();
    if (box.right <= edge.right + 1.5 && box.left >= edge.left - 1.5) continue;
    const style = own ? null : getComputedStyle(holder);
    const scrolls = style && ["auto", "scroll"].includes(style.overflowX);
    // The page itself is never wider than the window.
    if (scrolls && holder.id !== "content") continue;
    if (style && style.textOverflow === "ellipsis") continue;
    // What moves in a track is cut by it.
    if (holder?.classList?.contains("meter") || holder?.classList?.contains("toasts")) continue;
    found.push(`beyond its container: ${nameOf(element)}`);
  }
  return found.slice(0, 4);
}

/** Words that are broken into lines of a few letters. */
function broken() {
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("#app"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const text = node.data.trim();
    if (text.length < 8 || !node.parentElement || !isSeen(node.parentElement)) continue;
    if (node.parentElement.closest(".xterm, .log-view__frame, svg")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
    if (lines >= 3 && text.length / lines < 5) {
      found.push(`broken letter by letter: ${nameOf(node.parentElement)}`);
    }
  }
  return found.slice(0, 4);
}

/** Cards with fields whose lower part is empty. */
function stretched() {
  const found = [];
  for (const card of document.querySelectorAll(".card, form")) {
    if (!isSeen(card) || !card.querySelector("input, select, textarea, button")) continue;
    if (card.matches(".log-view, .console__frame") || card.querySelector(".log-view, .xterm, .empty")) continue;
    const box = card.getBoundingClientRect();
    let end = box.top;
    for (const part of card.querySelectorAll("*")) {
      if (part.children.length === 0 && isSeen(part)) end = Math.max(end, part.getBoundingClientRect().bottom);
    }
    const empty = box.bottom - end;
    if (empty > 120 && empty / box.height > 0.4) {
      found.push(`${Math.round((100 * empty) / box.height)} % of the form is empty: ${nameOf(card)}`);
    }
  }
  return found;
}

const RULES = {
  all: { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
  colours: { runOnly: { type: "rule", values: ["color-contrast"] } },
};

async function judged(rules) {
  if (!RULES[rules]) return [];
  // xterm.js draws its own screen and has its own mode for screen readers.
  const context = { exclude: [[".xterm"]] };
  const { violations } = await axe.run(context, { ...RULES[rules], resultTypes: ["violations"] });
  return violations.map((fault) => {
    const places = fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 110));
    return `axe: ${fault.id} (${fault.impact}): ${places.join(" | ")}`;
  });
}

// A theme that is still fading in has other colours.
const still = document.createElement("style");
still.textContent = "*, *::before, *::after { transition: none !important; }";
document.head.append(still);

const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

/** Everything that is wrong with the page as it is shown now. */
window.judgePage = async (rules) => {
  await frame();
  const wide = document.documentElement.scrollWidth > innerWidth + 1 ? ["the page is wider than the window"] : [];
  return [...wide, ...beyond(), ...broken(), ...stretched(), ...(await judged(rules))];
};

/** Goes to an address within the panel and waits until the page has come to rest. */
window.openPage = async (path) => {
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
  let quiet = 0;
  for (let tries = 0; tries < 600; tries++) {
    await new Promise((done) => setTimeout(done, 50));
    const ready = document.querySelector("main h1") && !document.querySelector(".skeleton");
    quiet = ready ? quiet + 1 : 0;
    if (quiet > 6) return true;
  }
  return false;
};
