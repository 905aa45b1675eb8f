// The search box, and two things that the theme leaves out for readers with a keyboard.

const root = new URL(document.documentElement.dataset.content_root, document.baseURI);

function setUpSearch() {
  const dialog = document.getElementById("pst-search-dialog");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const status = dialog.querySelector(".search-status");
  const list = dialog.querySelector(".search-found");
  let pagefind;
  let searches = 0;
  const search = async () => {
    const number = ++searches;
    try {
      pagefind ??= await import(new URL("pagefind/pagefind.js", root));
    } catch {
      status.textContent = "Search needs a web server: python -m http.server -d build/site";
      return;
    }
    const answer = await pagefind.debouncedSearch(input.value, {}, 150);
    if (answer === null) return; // typed on meanwhile
    const pages = await Promise.all(answer.results.slice(0, 12).map((result) => result.data()));
    if (number !== searches) return; // a later search may have been the faster one
    const n = answer.results.length;
    status.textContent = input.value ? `${n} ${n === 1 ? "page" : "pages"} found` : "";
    list.replaceChildren(...pages.map(entry));
  };
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  input.addEventListener("input", search);
}

function entry(page) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const best = page.sub_results?.[0] ?? page;
  link.href = best.url;
  link.textContent = page.meta.title;
  const excerpt = document.createElement("p");
  excerpt.innerHTML = best.excerpt; // of this site's own pages, escaped by Pagefind
  item.append(link, excerpt);
  return item;
}

// What scrolls sideways must be reachable by keyboard, and every control must have a name that is
// also what one reads on it.
function nameControls() {
  for (const box of document.querySelectorAll("pre, div.output, .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", "scrolls sideways");
    }
  }
  for (const button of document.querySelectorAll("button.primary-toggle, button.secondary-toggle")) {
    button.setAttribute("aria-label", button.title || button.dataset.bsOriginalTitle || "Contents");
  }
  document.querySelector(".search-button-field")?.removeAttribute("aria-label");
  for (const summary of document.querySelectorAll("summary")) {
    if (summary.innerText.trim()) {
      summary.removeAttribute("aria-label");
    } else {
      const link = summary.closest("li")?.querySelector("a");
      summary.setAttribute("aria-label", `Pages below ${link?.innerText.trim() ?? ""}`);
    }
  }
}

setUpSearch();
addEventListener("load", nameControls);
