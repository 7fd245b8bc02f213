// One run on the page. Streamlit calls this again for each new data or theme, without the cleanup of the
// call before; a call that was overtaken cleans up late. So what a place on the page shows is kept by
// its parent element, and only the newest call may end it.

import { View } from "./answer.js";
import { live } from "./live.js";

const places = new WeakMap();

export default function ({ parentElement: root, data, setTriggerValue }) {
  const host = root.querySelector(".rv");
  let place = places.get(root);
  if (!place || place.host !== host) {
    place?.leave?.();
    place = { host, turn: 0, run: null, leave: null, view: new View(host) };
    places.set(root, place);
  }
  const turn = ++place.turn;
  place.view.tell = () => setTriggerValue("ended", data.run);
  if (place.run !== data.run) {
    place.leave?.();
    place.run = data.run;
    place.view.begin(data.run);
    place.leave = live.join(data.run, data.ticket, place.view);
  } else {
    live.give(data.run, data.ticket);
  }
  return () => {
    if (place.turn !== turn) return;
    place.leave?.();
    place.leave = place.run = null;
    place.view.end();
  };
}
