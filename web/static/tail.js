// Live tail: shows log lines as they come, the newest first. It pauses, filters what is
// shown, and keeps a bounded number of lines.
"use strict";
(() => {
  const box = document.getElementById("tail");
  if (!box) return;
  const most = 500, list = box.querySelector("ol"), state = box.querySelector("[data-state]"), pause = box.querySelector("[data-pause]"), filter = box.querySelector("input");
  const make = (tag, className, text) => {
    const el = document.createElement(tag);
    if (className) el.className = className;
    if (text) el.textContent = text;
    return el;
  };
  const marks = { fatal: ["bad", "▲"], error: ["bad", "▲"], warn: ["warn", "◆"], info: ["info", "●"] };
  let paused = false, held = [], seen = 0, dropped = false;
  const fits = (li) => li.dataset.text.includes(filter.value.toLowerCase());

  function line(l) {
    const li = make("li"), details = make("details"), summary = make("summary"), time = make("time", "", l.at.slice(11, 19));
    time.dateTime = l.at;
    time.title = l.at;
    summary.append(time, " ");
    if (l.severity) {
      const [tone, sign] = marks[l.severity] || ["off", "·"], mark = make("span", "mark " + tone), shape = make("span", "", sign);
      shape.setAttribute("aria-hidden", "true");
      mark.append(shape, l.severity);
      summary.append(mark, " ");
    }
    if (l.service) summary.append(make("b", "", l.service), " ");
    summary.append(make("span", "code", l.message));
    const inside = make("div", "inside"), facts = make("dl", "facts");
    for (const f of l.fields) {
      const row = make("div"), value = make("dd");
      value.append(make("code", "", f.value));
      row.append(make("dt", "", f.name), value);
      facts.append(row);
    }
    inside.append(facts);
    details.append(summary, inside);
    li.append(details);
    if (l.trace) {
      const a = make("a", "jump", "trace");
      a.href = l.trace;
      li.append(a);
    }
    li.dataset.text = (l.service || "").toLowerCase() + " " + l.message.toLowerCase();
    li.hidden = !fits(li);
    return li;
  }
  const say = (text) => { state.textContent = text; };
  const tell = () => say(paused ? `paused, ${held.length} new` : `live, ${seen} lines${dropped ? "; more came than are shown" : ""}`);
  function show(lines) {
    for (const l of lines) list.prepend(line(l));
    while (list.children.length > most) list.lastElementChild.remove();
  }
  filter.addEventListener("input", () => { for (const li of list.children) li.hidden = !fits(li); });
  filter.form?.addEventListener("submit", (e) => e.preventDefault());
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) { show(held); held = []; }
    tell();
  });
  const source = new EventSource(box.dataset.tail);
  source.onopen = tell;
  source.onmessage = (e) => {
    const l = JSON.parse(e.data);
    seen++;
    if (paused) { held.push(l); if (held.length > most) held.shift(); } else show([l]);
    tell();
  };
  source.addEventListener("more", () => { dropped = true; tell(); });
  source.addEventListener("trouble", (e) => { source.close(); say("ended: " + JSON.parse(e.data)); });
  source.onerror = () => { say(source.readyState === EventSource.CLOSED ? "refused: reload the page" : "reconnecting"); };
  addEventListener("pagehide", () => source.close());
})();
