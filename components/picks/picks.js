// Tells the page which button of a table was pressed. Called again for each new data.

export default function ({ data, setTriggerValue }) {
  const pressed = ({ target }) => {
    const button = target instanceof Element ? target.closest("button[data-pick]") : null;
    if (button?.closest(`.st-key-${CSS.escape(data.within)}`)) setTriggerValue("pick", button.dataset.pick);
  };
  document.addEventListener("click", pressed);
  return () => document.removeEventListener("click", pressed);
}
