// The overview's chart: asks for new points each second, keeps five minutes, never more than one question under way.
"use strict";
(() => {
  const SECONDS = 300;
  const place = document.getElementById("chart");
  const live = document.getElementById("live");
  const rates = new Map([...document.querySelectorAll("[data-rate]")].map((e) => [e.dataset.rate, e]));
  const columns = [[], [], [], []]; // time in seconds, then the three series
  const whole = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 0 });
  let after = 0;
  let chart = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function options() {
    const em = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `${Math.round(12 * em)}px system-ui, sans-serif` };
    const line = (name, width, fill) => ({ stroke: colour(name), width, points: { show: false }, spanGaps: false, fill });
    return {
      width: place.clientWidth,
      height: place.clientHeight,
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { show: false },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(10, (high || 0) * 1.1)] } },
      axes: [
        { ...axis, space: 80 * em, size: 28 * em, values: (u, ticks) => ticks.map((t) => new Date(t * 1000).toISOString().slice(11, 19)) },
        { ...axis, size: 56 * em, values: (u, ticks) => ticks.map((v) => whole.format(v)) },
      ],
      series: [{}, line("--series-1", 1.5), line("--series-2", 2, colour("--series-2") + "1c"), line("--series-3", 2)],
    };
  }

  function draw() {
    if (chart) chart.destroy();
    chart = new uPlot(options(), columns, place);
  }

  function show() {
    const now = Date.now() / 1000;
    const last = columns[0].at(-1) ?? now;
    chart.setData(columns, false);
    chart.setScale("x", { min: last - SECONDS, max: last });
    chart.setScale("y", { min: 0, max: Math.max(10, ...columns.slice(1).flat().filter((v) => v !== null)) * 1.1 });
    place.dataset.points = String(columns[0].length);
    place.dataset.last = String(after);
  }

  function hear(answer) {
    for (const point of answer.points) {
      after = Math.max(after, point[0]);
      columns[0].push(point[0] / 1000);
      answer.series.forEach((_, n) => columns[n + 1].push(point[n + 1]));
    }
    const over = columns[0].length - SECONDS;
    if (over > 0) columns.forEach((c) => c.splice(0, over));
    answer.series.forEach((name, n) => {
      const value = columns[n + 1].at(-1);
      rates.get(name).textContent = value === null || value === undefined ? "–" : whole.format(value);
    });
    show();
  }

  function say(word, state) {
    if (live.textContent !== word) live.textContent = word;
    live.className = `live ${state}`;
  }

  async function look() {
    try {
      const answer = await fetch(`${place.dataset.live}?after=${after}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) {
        location.assign(answer.headers.get("HX-Redirect") || "/sign-in");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      hear(await answer.json());
      const silent = columns[2].at(-1) === null;
      say(silent ? live.dataset.engineSilent : live.dataset.liveNow, silent ? "off" : "on");
    } catch {
      say(live.dataset.consoleSilent, "off");
    }
    setTimeout(look, document.hidden ? 5000 : 1000);
  }

  draw();
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: place.clientHeight })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); show(); });
  look();
})();
