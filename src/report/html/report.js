"use strict";
// Opens the finding that a cite points into, sorts tables, filters findings by severity, and opens everything for paper.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) {
      at.hidden = false;
      if (at.tagName === "DETAILS") at.open = true;
    }
    target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.v ?? cell.textContent.trim();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  const sort = (table, head, column) => {
    const rising = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising === 1 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => rising * compare(a, b));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of all("table.sorts")) {
    // On a narrow screen a row is a card and says by itself what its values are.
    if (!table.closest(".list")) {
      const names = all("thead th", table).map((head) => head.textContent);
      for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, at) => { cell.dataset.label = names[at]; });
      table.classList.add("labelled");
    }
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, column));
      head.append(button);
    });
  }

  const findings = all("details.finding");
  const tools = document.getElementById("finding-tools");
  if (tools) tools.hidden = false;
  for (const button of all("button[data-open]")) {
    button.addEventListener("click", () => {
      for (const finding of findings) finding.open = button.dataset.open === "yes";
    });
  }
  for (const button of all("button[data-severity]")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", shown);
      for (const finding of findings) {
        if (finding.dataset.severity === button.dataset.severity) finding.hidden = !shown;
      }
    });
  }

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
  });

  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of all("main > section[id]")) seen.observe(section);
})();
