// Charts: puts an interactive uPlot in the place of each chart that the server drew,
// from the same data. Without this script the server's drawing stays.
"use strict";
(() => {
  const inks = ["--accent", "--warn", "--ok", "--info", "--bad", "--off"];
  // Lines of one colour are told apart by their strokes.
  const strokes = [undefined, [7, 3], [2, 2]];
  const drawn = new Map(); // plot element → uPlot
  // A chart is as wide as its place, whatever changes that: the window, a scroll bar.
  const sizes = new ResizeObserver((all) => {
    for (const { target } of all) {
      const u = drawn.get(target);
      if (u && target.clientWidth && u.width !== target.clientWidth) u.setSize({ width: target.clientWidth, height: 190 });
    }
  });

  // A canvas knows no CSS variables: a probe element resolves them.
  const probe = document.createElement("i");
  probe.hidden = true;
  const ink = (name) => {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };

  const digits = (v) => (v === 0 ? "0" : Math.abs(v) >= 1000 || Number.isInteger(v) ? v.toLocaleString("en", { maximumFractionDigits: 1 }) : v.toPrecision(3).replace(/\.?0+$/, ""));
  const scaled = (by, words, rest) => (v) => {
    let i = 0;
    for (; Math.abs(v) >= by && i < words.length - 1; i++) v /= by;
    return digits(v) + " " + words[i] + rest;
  };
  const bytes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], bits = ["bit", "kbit", "Mbit", "Gbit", "Tbit"];
  const units = {
    "": digits,
    percent: (v) => digits(Math.round(v * 1e6) / 1e4) + " %",
    hundred: (v) => digits(v) + " %",
    times: (v) => digits(v) + "×",
    seconds: (v) => digits(v) + " s",
    milliseconds: (v) => digits(v) + " ms",
    bytes: scaled(1024, bytes, ""), "bytes/s": scaled(1024, bytes, "/s"), bits: scaled(1000, bits, ""), "bits/s": scaled(1000, bits, "/s"),
  };
  const unitOf = (name) => units[name || ""] || ((v) => digits(v) + " " + name);
  const utc = (at, span) => {
    const iso = new Date(at * 1000).toISOString();
    return span > 129600 ? iso.slice(5, 16).replace("T", " ") : span > 600 ? iso.slice(11, 16) : iso.slice(11, 19);
  };

  // What lies behind the lines: shaded times; what lies over them: limits and changes.
  const behind = (data) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.globalAlpha = 0.1;
    ctx.fillStyle = ink("--bad");
    for (const s of data.shades || []) {
      const left = Math.max(u.valToPos(s.from, "x", true), bbox.left);
      const right = Math.min(u.valToPos(s.to, "x", true), bbox.left + bbox.width);
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  };
  const over = (data) => (u) => {
    const { ctx, bbox } = u;
    const line = (x1, y1, x2, y2, colour, dash) => {
      ctx.save();
      ctx.strokeStyle = ink(colour);
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
      ctx.restore();
    };
    for (const l of data.limits || []) {
      const y = u.valToPos(l.value, "y", true);
      if (y >= bbox.top && y <= bbox.top + bbox.height) line(bbox.left, y, bbox.left + bbox.width, y, "--soft", [5, 4]);
    }
    for (const old of u.over.parentNode.querySelectorAll(".flag")) old.remove();
    for (const m of data.marks || []) {
      const x = u.valToPos(m.at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      line(x, bbox.top, x, bbox.top + bbox.height, m.far ? "--soft" : "--ink", [2, 3]);
      const flag = document.createElement("a");
      flag.className = m.far ? "flag far" : "flag";
      flag.href = m.url;
      flag.title = m.label + ", " + utc(m.at, 3600);
      flag.setAttribute("aria-label", flag.title);
      flag.innerHTML = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 .8 15.2 8 8 15.2.8 8Z"/></svg>';
      flag.style.left = x / devicePixelRatio + "px";
      flag.style.top = "0px";
      u.over.parentNode.append(flag);
    }
  };

  // A box that was drawn with the mouse becomes the time of the page, and of what is
  // different in it, where the page is about a time.
  const chosen = (plot) => (u) => {
    const form = document.querySelector("form[data-times]");
    if (!form || !plot.closest("main") || u.select.width < 3) return;
    const to = new URL(location);
    const at = (px) => new Date(u.posToVal(px, "x") * 1e3).toISOString().replace(/\.\d+Z$/, "Z");
    to.searchParams.set("from", at(u.select.left));
    to.searchParams.set("to", at(u.select.left + u.select.width));
    to.searchParams.delete("range");
    if (to.searchParams.get("logs") || to.searchParams.get("traces")) to.searchParams.set("differ", "1");
    location.assign(to);
  };

  function draw(plot) {
    const source = document.getElementById("chart-" + plot.dataset.chart);
    if (!source || typeof uPlot === "undefined") return;
    const data = JSON.parse(source.textContent);
    const span = data.to - data.from;
    const unit = unitOf(data.unit);
    const raw = data.series.map((s) => s.values);
    const lines = data.stack ? pile(raw) : raw;
    const axis = { stroke: () => ink("--soft"), grid: { stroke: () => ink("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const limits = (data.limits || []).map((l) => l.value);
    const options = {
      width: plot.clientWidth, height: 190, padding: [14, 20, 0, 0],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      legend: { live: true, markers: { dash: (u, i) => ["solid", "dashed", "dotted"][Math.floor(Math.max(i - 1, 0) / inks.length) % 3] } },
      scales: {
        x: { time: true },
        y: { range: (u, lo, hi) => {
          if (lo == null) return [0, 1];
          for (const v of limits) if (v <= hi * 3 && v >= lo * 3) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
          lo = Math.min(0, lo); hi = Math.max(0, hi);
          if (data.unit === "percent" && lo >= 0 && hi <= 1 && hi > 0.5) hi = 1;
          lo = data.min ?? lo; hi = data.max ?? hi;
          if (lo >= hi) hi = lo + 1;
          return [lo, hi + (hi - lo) * 0.04];
        } },
      },
      axes: [
        { ...axis, space: 70, size: 28, values: (u, ts) => ts.map((t) => utc(t, span)) },
        { ...axis, size: (u, vs) => Math.max(58, 12 + 6.4 * Math.max(0, ...(vs || []).map((v) => v.length))), space: 34, values: (u, vs) => vs.map(unit), incrs: /^bytes/.test(data.unit) ? Array.from({ length: 60 }, (_, i) => 2 ** i) : undefined },
      ],
      series: [
        { label: "UTC", value: (u, t) => (t == null ? "" : utc(t, 1)) },
        ...data.series.map((s, i) => ({
          label: s.label, stroke: () => ink(inks[i % inks.length]), dash: strokes[Math.floor(i / inks.length) % strokes.length], width: data.dots ? 0 : 1.6, spanGaps: false, points: { show: data.dots || s.values.filter((v) => v != null).length < 3, fill: data.dots ? () => ink(inks[i % inks.length]) : undefined },
          value: (u, v, at, j) => { const one = j == null ? null : raw[i][j]; return one == null ? "–" : unit(one); },
          fill: data.stack && i === 0 ? () => faint(inks[0]) : undefined,
        })),
      ],
      bands: data.stack ? lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1], fill: () => faint(inks[(i + 1) % inks.length]) })) : undefined,
      hooks: { drawClear: [behind(data)], draw: [over(data)], setSelect: [chosen(plot)] },
    };
    const alt = plot.querySelector("svg.drawn");
    const label = alt ? alt.getAttribute("aria-label") : data.title;
    plot.textContent = "";
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", label);
    const u = new uPlot(options, [data.x, ...lines], plot);
    drawn.set(plot, u);
    look(plot, u, data, lines);
    sizes.observe(plot);
  }

  // pile puts each line on top of those before it.
  const pile = (raw) => {
    const sum = [];
    const gap = (j) => raw.every((values) => values[j] == null);
    return raw.map((values) => values.map((v, j) => (gap(j) ? null : (sum[j] = (sum[j] || 0) + (v || 0)))));
  };
  const faint = (name) => ink(name).replace(/^rgb\(/, "rgba(").replace(/\)$/, ", .3)");

  // look opens what lies behind a point when it is pressed: the explorer at that moment,
  // with the lines and traces of the series' service.
  let card = null;
  const shut = () => { card?.remove(); card = null; };
  function look(plot, u, data, lines) {
    if (!data.series.some((s) => s.look)) return;
    let down = 0;
    u.over.addEventListener("mousedown", (e) => { down = e.clientX; });
    u.over.addEventListener("click", (e) => {
      shut();
      const box = u.over.getBoundingClientRect();
      const near = u.posToIdx(e.clientX - box.left);
      if (Math.abs(e.clientX - down) > 3) return;
      let best = -1, j = near, least = Infinity;
      for (let k = Math.max(0, near - 4); k <= near + 4 && k < data.x.length; k++) data.series.forEach((s, i) => {
        if (!s.look || s.values[k] == null) return;
        const away = Math.hypot(u.valToPos(lines[i][k], "y") - (e.clientY - box.top), u.valToPos(data.x[k], "x") - (e.clientX - box.left));
        if (away < least) { least = away; best = i; j = k; }
      });
      if (best < 0) return;
      const at = data.x[j], half = Math.max(60, (data.to - data.from) / 40);
      const stamp = (t) => new Date(t * 1e3).toISOString().replace(/\.\d+Z$/, "Z");
      const to = new URL(data.series[best].look, location);
      to.searchParams.set("from", stamp(at - half));
      to.searchParams.set("to", stamp(Math.min(at + half, Date.now() / 1e3)));
      card = document.createElement("div");
      card.className = "behind";
      const text = document.createElement("p");
      text.textContent = utc(at, 1) + " · " + data.series[best].label + " · " + unitOf(data.unit)(data.series[best].values[j]);
      card.append(text);
      const link = (words, only) => {
        const a = document.createElement("a"), one = new URL(to);
        for (const k of ["expr", "logs", "traces"]) if (only && k !== only) one.searchParams.delete(k);
        a.href = one.pathname + one.search;
        a.textContent = words;
        card.append(a, " ");
      };
      const has = (k) => to.searchParams.has(k);
      if (has("traces")) link("traces then", "traces");
      if (has("logs")) link("log lines then", "logs");
      if (has("expr")) link("the query then", "expr");
      if (["expr", "logs", "traces"].filter(has).length > 1) link("all together", "");
      plot.append(card);
      card.style.left = Math.max(0, Math.min(e.clientX - plot.getBoundingClientRect().left, plot.clientWidth - card.offsetWidth)) + "px";
    });
  }
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") shut(); });
  document.addEventListener("click", (e) => { if (card && !e.target.closest(".plot")) shut(); });

  // drawAll draws what is new below an element, and forgets what has left the page.
  function drawAll(root = document) {
    for (const [plot, u] of drawn) if (!plot.isConnected) { sizes.unobserve(plot); u.destroy(); drawn.delete(plot); }
    for (const plot of root.querySelectorAll("[data-chart]")) if (!drawn.has(plot)) draw(plot);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const u of drawn.values()) u.redraw(false, true); });
  drawAll();
  window.evenkeelCharts = drawAll;
})();
