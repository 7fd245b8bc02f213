// Makes an element's children those of `html`, keeping every node that is already right: a selection in
// the text, a scrolled piece of code and the page's layout stay as they are while an answer grows.

export function morph(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  match(element, template.content);
}

function match(into, from) {
  let old = into.firstChild;
  let fresh = from.firstChild;
  while (fresh) {
    const nextFresh = fresh.nextSibling;
    if (!old) {
      into.append(fresh);
    } else {
      const nextOld = old.nextSibling;
      if (!update(old, fresh)) old.replaceWith(fresh);
      old = nextOld;
    }
    fresh = nextFresh;
  }
  while (old) {
    const nextOld = old.nextSibling;
    old.remove();
    old = nextOld;
  }
}

function update(old, fresh) {
  if (old.nodeType !== fresh.nodeType) return false;
  if (old.nodeType === Node.TEXT_NODE) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return true;
  }
  if (old.nodeName !== fresh.nodeName || !sameAttributes(old, fresh)) return false;
  match(old, fresh);
  return true;
}

function sameAttributes(one, other) {
  if (one.attributes.length !== other.attributes.length) return false;
  for (const { name, value } of one.attributes) if (other.getAttribute(name) !== value) return false;
  return true;
}
