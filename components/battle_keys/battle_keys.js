// Single keys of the Battle page: each presses a button that stands on it. Never while somebody types.

const TYPED_INTO = "input, textarea, select, [contenteditable=true], [role=listbox], [role=combobox]";
const IN_FRONT = "dialog[open], [role=dialog], [role=listbox], [role=menu]";

const places = new WeakMap();

export default function ({ parentElement: root, data }) {
  let place = places.get(root);
  if (!place) places.set(root, (place = { turn: 0, data }));
  const turn = ++place.turn;
  place.data = data;
  if (turn === 1 || !place.onkey) {
    place.onkey = (event) => press(event, place.data.keys);
    document.addEventListener("keydown", place.onkey);
  }
  return () => {
    if (place.turn !== turn) return;
    document.removeEventListener("keydown", place.onkey);
    place.onkey = null;
  };
}

// `keys` names for each key what it presses, by the key that Streamlit knows it by.
function press(event, keys) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!(event.key in keys) || event.composedPath()[0].closest?.(TYPED_INTO) || document.querySelector(IN_FRONT)) return;
  const found = document.querySelector(`.st-key-${CSS.escape(keys[event.key])}`)?.querySelector("button, input");
  if (!found || found.disabled) return;
  event.preventDefault();
  if (found.matches("input")) found.focus();
  found.click();
}
