// Puts text where the reader can paste it from.

// Whether it worked. `promised` is the text, or will be.
export async function toClipboard(promised) {
  try {
    if (navigator.clipboard && globalThis.ClipboardItem) {
      // The promise goes in as it is: some browsers only take what was begun in the press itself.
      const blob = promised.then((text) => new Blob([text], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    } else {
      copyTheOldWay(await promised); // a page without https has no clipboard
    }
    return true;
  } catch {
    return false;
  }
}

function copyTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.cssText = "position:fixed;opacity:0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}
