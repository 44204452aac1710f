// The small script of the pages. Everything works without it; with it pages stay
// live, acts that cannot be undone ask first, and the keyboard is enough.
"use strict";
(() => {
  const $ = (sel, root = document) => root.querySelector(sel);
  const $$ = (sel, root = document) => [...root.querySelectorAll(sel)];
  const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName));

  // --- Live: fragments with data-live are read anew when a fact names their noun.

  // fits says whether a fragment cares for a noun: "incident/7" that one,
  // "incident/" any of the kind, "*" everything.
  const fits = (wants, refs) => wants.split(/\s+/).some((w) => w && (w === "*" || refs.some((r) => r === "*" || r === w || (w.endsWith("/") && r.startsWith(w)))));

  let pending = new Set(), timer = 0, busy = false;
  function refresh(ids, delay = 150) {
    ids.forEach((id) => pending.add(id));
    if (pending.size && !timer) timer = setTimeout(load, delay);
  }

  async function load() {
    timer = 0;
    if (busy) return void (timer = setTimeout(load, 200));
    const ids = pending;
    pending = new Set();
    busy = true;
    try {
      const url = new URL(location.href);
      url.searchParams.delete("done");
      const answer = await fetch(url, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") return location.reload(); // the session has ended
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      ids.forEach((id) => swap(document.getElementById(id), fresh.getElementById(id)));
      document.dispatchEvent(new CustomEvent("evenkeel:fresh"));
    } catch { /* the network: the next fact tries again */ } finally { busy = false; }
  }

  // edited says whether a person is in the middle of a form inside the fragment.
  const edited = (el) => (el.contains(document.activeElement) && typing(document.activeElement)) ||
    $$("input, textarea", el).some((i) => i.type !== "hidden" && (i.type === "checkbox" ? i.checked !== i.defaultChecked : i.value !== i.defaultValue));

  function swap(old, fresh) {
    if (!old || !fresh) return;
    if (edited(old)) return void (old.dataset.stale = "");
    if (same(old, fresh)) return;
    const open = $$("details", old).map((d) => d.open);
    const tails = $$("[data-tail]", old).map((p) => p.scrollHeight - p.scrollTop - p.clientHeight < 8);
    const focus = old.contains(document.activeElement) ? path(old, document.activeElement) : null;
    const node = document.adoptNode(fresh);
    const details = $$("details", node);
    if (details.length === open.length) details.forEach((d, i) => { d.open = open[i]; });
    old.replaceWith(node);
    $$("[data-tail]", node).forEach((p, i) => { if (tails[i] ?? true) p.scrollTop = p.scrollHeight; });
    if (focus) follow(node, focus)?.focus({ preventScroll: true });
    if (!node.dataset.every) node.classList.add("fresh");
    window.evenkeelCharts?.(node);
    every(node);
  }

  // same compares what the server sent: times that only tick, and the charts that
  // the script has drawn, are no difference of their own.
  const plain = (el) => {
    const copy = el.cloneNode(true);
    $$("time, .plot, figcaption", copy).forEach((t) => { t.textContent = ""; t.removeAttribute("aria-label"); t.removeAttribute("role"); });
    $$("details", copy).forEach((d) => d.removeAttribute("open"));
    $$("a[href*='from=']", copy).forEach((a) => a.removeAttribute("href"));
    $$(".at", copy).forEach((a) => a.classList.remove("at"));
    copy.removeAttribute("data-stale");
    copy.classList.remove("fresh");
    return copy.outerHTML.replace(/ class=""/g, "");
  };
  const same = (a, b) => plain(a) === plain(b);
  const path = (root, el) => { const p = []; for (; el !== root; el = el.parentNode) p.unshift([...el.parentNode.children].indexOf(el)); return p; };
  const follow = (root, p) => p.reduce((el, i) => el?.children[i], root);

  let source, last = Number(document.body.dataset.after || 0), backoff = 1000, again = 0;
  const say = (state, text) => { const l = $("#link"); if (l) { l.dataset.state = state; l.textContent = text; } };

  // connect opens the stream while the page is visible: a browser has few
  // connections to one server, and nobody reads a hidden page.
  function connect() {
    clearTimeout(again);
    if (source || document.hidden || !document.body.dataset.after) return;
    source = new EventSource("/live?after=" + last);
    source.onopen = () => { backoff = 1000; say("on", "live"); };
    source.onmessage = (e) => {
      const fact = JSON.parse(e.data);
      last = Math.max(last, fact.id);
      refresh($$("[data-live]").filter((f) => f.id && fits(f.dataset.live, fact.refs)).map((f) => f.id));
    };
    source.addEventListener("reload", (e) => {
      last = Number(e.lastEventId) || last;
      refresh($$("[data-live]").map((f) => f.id));
    });
    source.onerror = () => {
      source.close();
      source = null;
      say("wait", "reconnecting");
      again = setTimeout(connect, backoff * (0.7 + Math.random() * 0.6));
      backoff = Math.min(backoff * 2, 30000);
    };
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return connect();
    source?.close();
    source = null;
    say("off", "paused");
  });

  // Numbers that move without a fact are read anew every so many seconds.
  function every(root) {
    const all = root.matches?.("[data-every]") ? [root] : $$("[data-every]", root);
    all.forEach((el) => setTimeout(() => {
      if (!el.isConnected) return;
      if (!document.hidden) refresh([el.id], 0);
      every(el);
    }, el.dataset.every * 1000));
  }

  // --- Time goes on: "ago" is counted here between two readings.
  const two = (a, x, b, y) => (b ? `${a}${x} ${b}${y}` : `${a}${x}`);
  const words = (s) => s < 60 ? s + "s" : s < 3600 ? two(Math.floor(s / 60), "m", s % 60, "s") : s < 86400 ? two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "m") : two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  const skew = Date.now() - Number(document.body.dataset.now || Date.now()); // our clock against the server's
  setInterval(() => { if (!document.hidden) $$("time[data-ago]").forEach((t) => { t.textContent = words(Math.max(0, Math.round((Date.now() - skew - Date.parse(t.dateTime)) / 1000))); }); }, 1000);

  // --- Acts that cannot be undone ask first.
  let sure = null;
  document.addEventListener("submit", (e) => {
    const by = e.submitter, text = by?.dataset.confirm;
    if (text && sure !== by) {
      e.preventDefault();
      const box = $("#confirm");
      $("#confirm-text").textContent = text;
      box.returnValue = "no";
      box.onclose = () => { if (box.returnValue === "yes") { sure = by; e.target.requestSubmit(by); } };
      return box.showModal();
    }
    sure = null;
    if (e.target.method === "post") setTimeout(() => $$("button", e.target).forEach((b) => { b.disabled = true; }));
  });
  addEventListener("pageshow", () => $$("form button:disabled").forEach((b) => { b.disabled = false; })); // came back

  // --- Keys.
  let prefix = "", row = -1;
  const rows = () => $$("[data-row]").filter((r) => r.offsetParent);
  function move(by) {
    const all = rows();
    if (!all.length) return;
    all[row]?.classList.remove("at");
    row = Math.min(Math.max(row + by, 0), all.length - 1);
    all[row].classList.add("at");
    all[row].scrollIntoView({ block: "nearest" });
    $("a, button", all[row])?.focus({ preventScroll: true });
  }
  const keys = {
    "/": () => { const q = $("#q"); q.focus(); q.select(); },
    "?": () => $("#keys").showModal(),
    j: () => move(1), k: () => move(-1),
    a: () => { const m = $$("[data-main]").find((x) => x.offsetParent); m?.focus(); m?.scrollIntoView({ block: "center" }); },
    r: () => { $$("[data-stale]").forEach((s) => delete s.dataset.stale); location.reload(); },
    t: () => $(".theme button")?.click(),
    g: () => { prefix = "g"; setTimeout(() => { prefix = ""; }, 1500); },
  };
  document.addEventListener("keydown", (e) => {
    if (e.target.matches?.("[data-submit]") && e.key === "Enter" && !e.shiftKey) { e.preventDefault(); return e.target.form.requestSubmit(); }
    if (e.key === "Escape" && typing(e.target)) return e.target.blur();
    if (typing(e.target) || e.ctrlKey || e.metaKey || e.altKey || $("dialog[open]")) return;
    if (prefix === "g") {
      prefix = "";
      const to = $$("[data-go]").find((l) => l.dataset.go === e.key);
      if (to) { e.preventDefault(); location.assign(to.href); }
      return;
    }
    const act = keys[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  $$("[data-tail]").forEach((p) => { p.scrollTop = p.scrollHeight; });
  $$("a[href='/help']").forEach((l) => l.addEventListener("click", (e) => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); $("#keys").showModal(); } }));

  every(document);
  connect();
})();
