"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const pages = all(".page");
  const frame = one(".frame");
  const entries = all(".list a");
  const told = one(".told");
  const dialog = one("dialog");
  const stacked = matchMedia("(max-width: 60rem)");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  document.documentElement.classList.add("js");

  // --- light: an element is lit on the image, in the text and in the DocTags at once ---
  const tip = document.createElement("span");
  tip.setAttribute("aria-hidden", "true");
  let lit = [];
  let picked = null;

  const boxesOf = (page, key) => all(`.box[data-e="${key}"]`, page);
  const textsOf = (page, key) => all(`.doc [data-e~="${key}"]`, page);
  const linesOf = (page, key) => all(`.raw [data-e="${key}"]`, page);
  const keysOf = (node) => node.dataset.e.split(" ");
  const homesOf = (node) => (node.dataset.t ? [node.dataset.t] : keysOf(node));

  function light(node) {
    for (const old of lit) old.classList.remove("lit");
    tip.remove();
    lit = [];
    if (!node) return;
    const page = node.closest(".page");
    lit.push(node);
    for (const key of keysOf(node)) lit.push(...boxesOf(page, key), ...linesOf(page, key));
    for (const key of homesOf(node)) lit.push(...textsOf(page, key));
    for (const found of lit) found.classList.add("lit");
    const box = lit.find((found) => found.matches(".box"));
    if (box) name(box);
  }

  function name(box) {
    const sheet = box.closest(".sheet");
    const view = box.ownerSVGElement.viewBox.baseVal;
    const place = box.getBBox();
    // The end of the line above is empty more often than its beginning.
    const ending = place.x + place.width > view.width * 0.2;
    const under = place.y < view.height * 0.04;
    tip.className = "tip";
    tip.dataset.g = box.dataset.g;
    tip.textContent = box.getAttribute("aria-label").split(": ")[0];
    tip.classList.toggle("under", under);
    tip.classList.toggle("ending", ending);
    tip.style.left = `${(100 * (place.x + (ending ? place.width : 0))) / view.width}%`;
    tip.style.top = `${(100 * (place.y + (under ? place.height : 0))) / view.height}%`;
    sheet.append(tip);
  }

  // Boxes may lie on each other: the smallest one under the pointer is meant.
  function meant(event) {
    const target = event.target;
    if (!(target instanceof Element)) return null;
    if (!target.closest(".sheet")) return target.closest("[data-e]");
    const boxes = document.elementsFromPoint(event.clientX, event.clientY).filter((found) => found.matches(".box rect"));
    const area = (rect) => rect.width.baseVal.value * rect.height.baseVal.value;
    boxes.sort((a, b) => area(a) - area(b));
    return boxes.length ? boxes[0].closest(".box") : null;
  }

  const resting = () => {
    const focused = document.activeElement;
    return focused && focused.matches(".page [data-e]:focus-visible") ? focused : picked;
  };

  let pointed = null;
  function point(event) {
    const node = meant(event);
    if (node === pointed) return;
    pointed = node;
    light(node || resting());
  }
  frame.addEventListener("pointermove", point);
  frame.addEventListener("pointerover", point);
  frame.addEventListener("pointerleave", () => {
    pointed = null;
    light(resting());
  });

  // --- pick: what is clicked stays lit, and the other side comes into view ---
  const show = (node, block) =>
    node.scrollIntoView({ block, inline: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  const besides = () => (stacked.matches ? "center" : "nearest");

  function other(node) {
    const page = node.closest(".page");
    if (node.closest(".doc")) return keysOf(node).flatMap((key) => boxesOf(page, key))[0];
    return homesOf(node).flatMap((key) => textsOf(page, key))[0];
  }

  function pick(node) {
    picked = node;
    light(node);
  }

  function cross(node) {
    const there = other(node);
    if (there) there.focus();
  }

  frame.addEventListener("click", (event) => {
    const node = meant(event);
    const box = event.target.closest(".box");
    if (box && event.detail === 0) {
      event.preventDefault();
      pick(box);
      cross(box);
    } else if (node && node.matches(".box")) {
      event.preventDefault();
      node.focus({ preventScroll: true });
      pick(node);
      const text = other(node);
      if (text) show(text, besides());
    } else if (box) {
      event.preventDefault();
    } else if (event.target.closest(".problems a")) {
      event.preventDefault();
      visit(event.target.closest(".problems a"));
    } else if (node && !event.target.closest("a, input, summary") && getSelection().isCollapsed) {
      pick(node);
      const boxes = keysOf(node).flatMap((key) => boxesOf(node.closest(".page"), key));
      if (boxes.length) show(boxes[0], besides());
    } else if (!node && event.target.closest(".sheet")) {
      pick(null);
    }
  });

  function visit(problem) {
    const mark = document.getElementById(problem.getAttribute("href").slice(1));
    mark.closest("details").open = true;
    if (problem.dataset.e) pick(problem);
    mark.focus({ preventScroll: true });
    show(mark, "center");
  }

  // --- focus: one stop of the Tab key for the boxes of a page and one for its text, arrows go on from there ---
  const peers = (node) => (node.matches(".box") ? all(".box", node.closest("svg")) : all("[data-e]", node.closest(".doc")));
  const seen = (node) => getComputedStyle(node).display !== "none";

  frame.addEventListener("focusin", (event) => {
    const node = event.target;
    if (!node.matches(".page [data-e]")) return;
    if (node.matches(":focus-visible")) light(node);
    if (!node.matches(".box, .doc *")) return;
    for (const peer of peers(node)) peer.setAttribute("tabindex", peer === node ? "0" : "-1");
  });
  frame.addEventListener("focusout", () => light(picked));

  const STEPS = {
    ArrowDown: (at) => at + 1,
    ArrowUp: (at) => at - 1,
    Home: () => 0,
    End: (at, count) => count - 1,
  };

  function step(event, node) {
    const ring = peers(node).filter(seen);
    const next = ring[STEPS[event.key](ring.indexOf(node), ring.length)];
    event.preventDefault();
    if (!next) return;
    next.focus();
    const there = other(next);
    if (there && !stacked.matches) show(there, "nearest");
  }

  // --- pages ---
  const shown = () => pages.filter((page) => !page.hidden);
  let current = pages[0];

  function arrive(page) {
    current = page;
    const open = shown();
    one(".position").textContent = open.length ? `${open.indexOf(page) + 1} / ${open.length}` : "0 / 0";
    one(".before").disabled = open.indexOf(page) <= 0;
    one(".after").disabled = open.indexOf(page) >= open.length - 1;
    entries.forEach((entry, place) => {
      if (pages[place] === page) entry.setAttribute("aria-current", "page");
      else entry.removeAttribute("aria-current");
    });
    const entry = entries[pages.indexOf(page)];
    if (entry && !stacked.matches) {
      const list = entry.closest(".list");
      const [top, bottom] = [entry.offsetTop - list.offsetTop, entry.offsetTop - list.offsetTop + entry.offsetHeight];
      if (top < list.scrollTop) list.scrollTop = top;
      if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
    }
  }

  function go(page) {
    if (!page) return;
    frame.classList.remove("open");
    one(".menu").setAttribute("aria-expanded", "false");
    page.scrollIntoView();
    one("h2", page).focus({ preventScroll: true });
    arrive(page);
    // Pages on the way had no height before they were seen; now they have.
    requestAnimationFrame(() => page.scrollIntoView());
  }

  const turn = (by) => {
    const open = shown();
    go(open[open.indexOf(current) + by]);
  };

  const watcher = new IntersectionObserver(
    (changes) => {
      for (const change of changes) if (change.isIntersecting) arrive(change.target);
    },
    { rootMargin: "-30% 0px -69% 0px" },
  );
  for (const page of pages) watcher.observe(page);

  one(".before").addEventListener("click", () => turn(-1));
  one(".after").addEventListener("click", () => turn(1));
  one(".list").addEventListener("click", (event) => {
    const entry = event.target.closest("a");
    if (!entry) return;
    event.preventDefault();
    go(pages[entries.indexOf(entry)]);
  });
  one(".menu").addEventListener("click", () => {
    const open = frame.classList.toggle("open");
    one(".menu").setAttribute("aria-expanded", String(open));
  });

  // --- filters ---
  const filters = all('input[name="filter"]');
  for (const filter of filters) {
    filter.disabled = filter.value !== "all" && !pages.some((page) => filter.value in page.dataset);
    filter.addEventListener("change", sift);
  }

  function sift() {
    const wanted = filters.find((filter) => filter.checked).value;
    pages.forEach((page, place) => {
      page.hidden = wanted !== "all" && !(wanted in page.dataset);
      entries[place].parentElement.hidden = page.hidden;
    });
    const open = shown();
    one("main > .none").hidden = open.length > 0 || pages.length === 0;
    told.textContent = `${open.length} of ${pages.length} pages shown`;
    if (current && current.hidden && open.length) go(open[0]);
    else if (current) arrive(current);
  }

  function nextFilter() {
    const open = filters.filter((filter) => !filter.disabled);
    open[(open.findIndex((filter) => filter.checked) + 1) % open.length].checked = true;
    sift();
  }

  const every = one(".every");
  const kinds = all('.legend input[value]:not(.every)');

  function paint() {
    for (const kind of kinds) document.body.classList.toggle(`off-${kind.value}`, !kind.checked);
    every.checked = kinds.every((kind) => kind.checked);
    every.indeterminate = !every.checked && kinds.some((kind) => kind.checked);
  }

  function paintAll(checked) {
    for (const kind of kinds) kind.checked = checked;
    paint();
  }
  for (const kind of kinds) kind.addEventListener("change", paint);
  every.addEventListener("change", () => paintAll(every.checked));

  function zoom() {
    const page = current;
    one(".closer").setAttribute("aria-pressed", String(frame.classList.toggle("zoom")));
    if (page) page.scrollIntoView();
  }
  one(".closer").addEventListener("click", zoom);

  // --- keys ---
  one(".ask").addEventListener("click", () => dialog.showModal());
  one(".close").addEventListener("click", () => dialog.close());

  const KEYS = {
    n: () => turn(1),
    ArrowRight: () => turn(1),
    p: () => turn(-1),
    ArrowLeft: () => turn(-1),
    f: nextFilter,
    b: () => paintAll(!every.checked),
    z: zoom,
    "?": () => dialog.showModal(),
    Escape: () => {
      if (document.activeElement.matches(".page [data-e]")) document.activeElement.blur();
      pick(null);
      frame.classList.remove("open");
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialog.open) return;
    const target = event.target;
    const part = target.closest(".box, .doc [data-e]");
    if (event.key.startsWith("Arrow") && target.closest("input, .raw, .table, pre, .formula:not([data-e])")) return;
    if (part === target && event.key in STEPS) step(event, part);
    else if (part === target && event.key === "Enter" && !part.matches(".box")) cross(part);
    else if (event.key in KEYS) KEYS[event.key]();
  });

  if (pages.length) arrive(current);
  paint();
})();
