"use strict";
// Files are sent one after the other; each is then a job that is asked about until it is over.
const one = (selector, within = document) => within.querySelector(selector);
const facts = JSON.parse(document.body.dataset.facts);
const FORMATS = [["md", "Markdown"], ["html", "HTML"], ["json", "JSON"], ["doctags", "DocTags"], ["text", "Text"], ["report", "Report"]];
const TONES = {ok: "good", textlayer: "good", blank: "calm", retried: "odd", truncated: "odd", repeated: "odd", failed: "bad"};
const NAMES = {
  ok: "read by the model", textlayer: "read from the text layer", blank: "blank", retried: "read at the second try",
  truncated: "cut off", repeated: "cut off: it repeated itself", failed: "failed",
};
const POLL_MS = 300;
const MOST_TRIES = 20;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const tell = (text) => { one(".told").textContent = text; };

function headers() {
  const key = one("#key").value;
  return key ? {Authorization: `Bearer ${key}`} : {};
}

async function ask(path, options = {}) {
  return fetch(path, {...options, headers: headers(), credentials: "omit"});
}

async function reason(reply) {
  try { return (await reply.json()).error.message; } catch { return `the server answered ${reply.status}`; }
}

class Failure extends Error {}

class Entry {
  constructor(file) {
    this.file = file;
    this.node = one("#job").content.firstElementChild.cloneNode(true);
    this.part = (selector) => one(selector, this.node);
    this.part("h2").textContent = file.name;
    this.part("h2").title = file.name;
    this.part("progress").setAttribute("aria-label", `Progress of ${file.name}`);
    this.part(".cancel").setAttribute("aria-label", `Cancel ${file.name}`);
    this.part(".cancel").addEventListener("click", () => this.cancel());
    this.part(".look").addEventListener("click", () => show(this));
    this.stopped = new AbortController();
    this.over = false;
    this.say("waiting", "calm", "");
    one("#jobs").prepend(this.node);
    document.body.classList.add("jobs-begun");
  }

  say(state, tone, text) {
    const chip = this.part(".chip");
    chip.textContent = state;
    chip.className = `chip ${tone}`;
    this.part(".facts").textContent = text;
  }

  async run() {
    if (this.over) return;
    const broken = (error) => {
      if (!this.over) this.fail(error instanceof Failure ? error.message : "the server cannot be reached");
    };
    try {
      await this.send();
      if (this.job) this.follow().catch(broken);
    } catch (error) {
      broken(error);
    }
  }

  async send() {
    if (this.file.size > facts.bytes) throw new Failure(`it has ${this.file.size.toLocaleString("en")} bytes; ${facts.bytes.toLocaleString("en")} are the limit`);
    const form = new FormData();
    form.append("file", this.file, this.file.name);
    form.append("wait", "false");
    form.append("images", String(one("#images").checked));
    for (const name of ["pages", "password"]) if (one(`#${name}`).value) form.append(name, one(`#${name}`).value);
    for (let tries = 1; ; tries += 1) {
      this.say("sending", "calm", plural(this.file.size, "byte"));
      const reply = await ask("/v1/convert", {method: "POST", body: form, signal: this.stopped.signal});
      if (reply.ok) { this.job = await reply.json(); return; }
      if (reply.status === 401) { one("#options").open = true; one("#key").focus(); }
      if (reply.status !== 429 || tries === MOST_TRIES) throw new Failure(await reason(reply));
      this.say("waiting", "calm", "the server is busy");
      await pause(1000 * (Number(reply.headers.get("Retry-After")) || 1));
      if (this.over) return;
    }
  }

  async follow() {
    while (!this.over) {
      const reply = await ask(`/v1/jobs/${this.job.id}`, {signal: this.stopped.signal});
      if (!reply.ok) throw new Failure(await reason(reply));
      this.job = await reply.json();
      this.draw();
      if (!this.over) await pause(POLL_MS);
    }
  }

  draw() {
    const {state, pages, pages_done: done, ahead, page_status: statuses, error} = this.job;
    const bar = this.part("progress");
    if (pages) { bar.max = pages; bar.value = done; }
    this.pages(statuses);
    if (state === "queued") this.say("waiting", "calm", ahead ? `${plural(ahead, "document")} before it` : "");
    if (state === "running") this.say("reading", "calm", pages ? `${done} of ${plural(pages, "page")}` : "opening");
    if (state === "done") this.finish(statuses);
    if (state === "failed" || state === "cancelled") {
      this.fail(error.message);
      if (this.job.result) this.offer();
    }
  }

  pages(statuses) {
    const list = this.part(".pages");
    const shown = new Map([...list.children].map((node) => [node.textContent, node]));
    for (const {page, status} of statuses) {
      if (shown.has(String(page))) continue;
      const node = document.createElement("li");
      node.textContent = page;
      node.dataset.tone = status;
      node.className = TONES[status];
      node.title = `page ${page}: ${NAMES[status]}`;
      node.setAttribute("aria-label", node.title);
      const after = [...list.children].find((other) => Number(other.textContent) > page);
      list.insertBefore(node, after ?? null);
    }
  }

  finish(statuses) {
    const missing = statuses.filter(({status}) => TONES[status] === "bad" || status === "truncated" || status === "repeated");
    const text = missing.length ? `${plural(statuses.length, "page")}, ${missing.length} incomplete or failed` : plural(statuses.length, "page");
    this.end();
    this.say(missing.length ? "partly done" : "done", missing.length ? "odd" : "good", text);
    this.offer();
    tell(`${this.file.name}: done, ${text}`);
  }

  offer() {
    const actions = this.part(".actions");
    for (const [to, name] of FORMATS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.dataset.to = to;
      button.setAttribute("aria-label", `Download ${this.file.name} as ${name}`);
      button.addEventListener("click", () => this.download(to));
      actions.append(button);
    }
    actions.hidden = false;
  }

  async download(to) {
    try {
      const reply = await ask(`/v1/jobs/${this.job.id}/result?to=${to}`);
      if (!reply.ok) throw new Failure(await reason(reply));
      const name = /filename\*=UTF-8''([^;]+)/.exec(reply.headers.get("Content-Disposition") ?? "");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await reply.blob());
      link.download = name ? decodeURIComponent(name[1]) : this.file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } catch (error) {
      this.part(".facts").textContent = error instanceof Failure ? error.message : "the server cannot be reached";
      tell(this.part(".facts").textContent);
    }
  }

  fail(text) {
    this.end();
    this.node.classList.add("bad");
    this.say("failed", "bad", text);
    tell(`${this.file.name}: ${text}`);
  }

  end() {
    this.over = true;
    if (this.part(".cancel") === document.activeElement) one("#file").focus();
    this.part(".cancel").hidden = true;
    this.part("progress").hidden = true;
  }

  cancel() {
    this.end();
    this.say("cancelled", "calm", "");
    this.stopped.abort();
    if (this.job) ask(`/v1/jobs/${this.job.id}`, {method: "DELETE"}).catch(() => {});
    tell(`${this.file.name}: cancelled`);
  }
}

function show(entry) {
  one("#shown").hidden = false;
  one("#shown-name").textContent = entry.file.name;
  one("#report").src = entry.job.report;
  one("#report").title = `Report of ${entry.file.name}`;
  one("#shown").scrollIntoView();
  one("#shown-name").focus({preventScroll: true});
  one("#close").onclick = () => {
    one("#shown").hidden = true;
    one("#report").removeAttribute("src");
    entry.part(".look").focus();
  };
}

let turn = Promise.resolve();

function take(files) {
  // the latest drop stands above the others, and its files in their own order
  const entries = files.reverse().map((file) => new Entry(file)).reverse();
  for (const entry of entries) turn = turn.then(() => entry.run());
}

const drop = one("#drop");
one("#form").addEventListener("submit", (event) => event.preventDefault());
one("#file").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take([...event.dataTransfer.files]);
});
if (facts.key) {
  one(".key").hidden = false;
  one("#options").open = true;
}
