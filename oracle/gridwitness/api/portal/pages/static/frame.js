// Light, dark, or as the system is; and signing out. Runs before the page is drawn, so that it never flashes.
const root = document.documentElement;
const THEMES = ["auto", "light", "dark"];

function stored() {
  try {
    return localStorage.getItem("theme") ?? "auto";
  } catch {
    return "auto"; // storage is switched off
  }
}

function keep(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It counts for this page only.
  }
}

function apply(theme) {
  root.dataset.theme = THEMES.includes(theme) ? theme : "auto";
  document.dispatchEvent(new Event("themechange"));
}

apply(stored());
document.addEventListener("DOMContentLoaded", () => {
  const select = document.querySelector("#theme");
  select.value = root.dataset.theme;
  select.hidden = false;
  select.addEventListener("change", () => {
    keep(select.value);
    apply(select.value);
  });
  // On a phone the pages' names are wider than the screen.
  const here = document.querySelector("nav [aria-current]");
  const names = here?.closest("nav");
  if (names) names.scrollLeft = here.offsetLeft - (names.clientWidth - here.clientWidth) / 2;
});
// On the document: the button can be pressed before the page's other scripts have come.
document.addEventListener("click", async (event) => {
  if (event.target.id !== "sign-out") return;
  await fetch("/v1/session", { method: "DELETE" });
  location.assign("/");
});
