// Replaces the sections that changed. Without this file the page reloads itself.
"use strict";
(() => {
  const live = document.getElementById("live");
  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
  const held = new Map(); // what changed while somebody had it selected
  let stream, again;

  const show = (id, html) => {
    const section = document.getElementById(id);
    if (!section) return location.reload(); // the page is another one by now
    const selection = document.getSelection();
    if (String(selection) && section.contains(selection.anchorNode)) return held.set(id, html);
    held.delete(id);
    const open = new Set([...section.querySelectorAll("details[open]")].map((d) => d.dataset.key));
    const focused = document.activeElement && section.contains(document.activeElement)
      ? [...section.querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement) : -1;
    section.innerHTML = html;
    for (const d of section.querySelectorAll("details")) d.open = open.has(d.dataset.key);
    if (focused >= 0) section.querySelectorAll("a, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  };

  const connect = () => {
    clearTimeout(again);
    stream?.close();
    stream = new EventSource("/live?page=" + encodeURIComponent(document.body.dataset.page));
    stream.addEventListener("section", (event) => { const { id, html } = JSON.parse(event.data); show(id, html); });
    stream.addEventListener("fresh", () => say("Live."));
    stream.addEventListener("trouble", (event) => say(JSON.parse(event.data).text));
    stream.onerror = () => {
      say("The connection to irisops is lost: what stands here may be old. Trying again.");
      // After an answer that is no stream, a proxy's for example, the browser gives up.
      if (stream.readyState === EventSource.CLOSED) again = setTimeout(connect, 10000);
    };
  };

  // A browser has few connections to one server: a page that nobody sees holds none.
  const look = () => {
    if (document.visibilityState === "hidden") {
      clearTimeout(again);
      stream?.close();
      say("What stands here may be old.");
    } else connect();
  };
  document.addEventListener("visibilitychange", look);
  document.addEventListener("selectionchange", () => { for (const [id, html] of [...held]) show(id, html); });
  look();
})();
