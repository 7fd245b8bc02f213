// A picture that is drawn once. Called again for each new data or theme.

import { plotly } from "./plotly.js";

const CONFIG = { displayModeBar: false, displaylogo: false };
const places = new WeakMap();

export default function ({ parentElement: root, data }) {
  const host = root.querySelector(".ty-still");
  const turn = (places.get(host) ?? 0) + 1;
  places.set(host, turn);
  host.style.height = `${data.height}px`;
  host.setAttribute("aria-label", data.sentence);
  if (!host.data) host.dataset.state = "waiting";
  let watcher = null;
  plotly(data.plotly).then(
    (Plotly) => {
      if (places.get(host) !== turn || !host.isConnected) return;
      host.dataset.state = "drawn";
      const { data: traces, layout } = data.figure;
      Plotly.react(host, traces, themed(layout, getComputedStyle(host)), CONFIG);
      watcher = new ResizeObserver(() => host.offsetWidth && host.data && Plotly.Plots.resize(host));
      watcher.observe(host);
    },
    () => {
      host.dataset.state = "plain";
      host.style.height = "auto";
      host.textContent = data.no_picture;
    },
  );
  return () => {
    watcher?.disconnect();
    if (places.get(host) !== turn) return;
    places.delete(host);
    if (host.data) globalThis.Plotly?.purge(host);
  };
}

// The page's own colours and letters, where the figure says nothing else.
function themed(layout, style) {
  const css = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const grid = css("border-color");
  const font = { family: css("font"), size: 13, color: css("text-color") };
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid };
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    hoverlabel: { bgcolor: css("background-color"), bordercolor: grid, font },
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}
