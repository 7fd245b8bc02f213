// Tells the page what stands in a text area once typing has rested. Called again for each new data.

const REST_MS = 350;
const LONG_REST_MS = 1200; // a long text takes longer to read
const LONG = 8000; // characters

const told = new WeakMap(); // by the view's place: what the page knows

export default function ({ parentElement: root, data, setStateValue }) {
  const box = () => document.querySelector(`.st-key-${CSS.escape(data.box)} textarea`);
  if (!told.has(root)) told.set(root, data.said);
  let timer = 0;
  const tell = () => {
    const text = box()?.value.trim();
    if (text === undefined || text === told.get(root)) return;
    told.set(root, text);
    setStateValue("draft", text);
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, (box()?.value.length ?? 0) > LONG ? LONG_REST_MS : REST_MS);
  };
  const typed = ({ target }) => target === box() && soon();
  document.addEventListener("input", typed, true);
  soon(); // the page itself may have emptied the box
  return () => {
    clearTimeout(timer);
    document.removeEventListener("input", typed, true);
  };
}
