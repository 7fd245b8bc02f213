// Tells the page which button of a table was pressed. Called again for each new data.

const WAITS_MS = 5000;

export default function ({ data, setTriggerValue }) {
  const pressed = ({ target }) => {
    const button = target instanceof Element ? target.closest("button[data-pick]") : null;
    if (!button?.closest(`.st-key-${CSS.escape(data.within)}`)) return;
    if (data.shows) whenChanged(`.st-key-${CSS.escape(data.shows)}`);
    setTriggerValue("pick", button.dataset.pick);
  };
  document.addEventListener("click", pressed);
  return () => document.removeEventListener("click", pressed);
}

// Shows what opens, where it does not stand beside the table: on a phone it is above it.
function whenChanged(selector) {
  const before = document.querySelector(selector)?.textContent;
  const watcher = new MutationObserver(() => {
    const opened = document.querySelector(selector);
    if (!opened || opened.textContent === before) return;
    watcher.disconnect();
    opened.scrollIntoView({ block: "nearest" });
  });
  watcher.observe(document.body, { childList: true, subtree: true, characterData: true });
  setTimeout(() => watcher.disconnect(), WAITS_MS);
}
