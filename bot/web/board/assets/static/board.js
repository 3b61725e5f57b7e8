// Replaces the sections that changed. Without this file the page reloads itself.
"use strict";
(() => {
  const live = document.getElementById("live");
  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
  const stream = new EventSource("/live?page=" + encodeURIComponent(document.body.dataset.page));
  stream.onopen = () => say("Live.");
  stream.onerror = () => say("The connection to irisops is lost: what stands here may be old. Trying again.");
  stream.addEventListener("section", (event) => {
    const { id, html } = JSON.parse(event.data);
    const section = document.getElementById(id);
    if (!section || section.contains(document.getSelection()?.anchorNode) && String(document.getSelection())) return;
    const open = new Set([...section.querySelectorAll("details[open]")].map((d) => d.dataset.key));
    const focused = document.activeElement && section.contains(document.activeElement)
      ? [...section.querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement) : -1;
    section.innerHTML = html;
    for (const d of section.querySelectorAll("details")) d.open = open.has(d.dataset.key);
    if (focused >= 0) section.querySelectorAll("a, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  });
})();
