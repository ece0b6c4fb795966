// Tables and code that scroll can be reached and scrolled by the keyboard. Material wraps tables after the page has loaded.
const reachable = () => {
  for (const region of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    region.tabIndex = 0;
  }
};
new MutationObserver(reachable).observe(document.documentElement, { childList: true, subtree: true });
document.addEventListener("DOMContentLoaded", reachable);
