// Light, dark, or as the system says; kept in this browser.

const THEMES = ["auto", "light", "dark"];

export function followTheme(button) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  const known = localStorage.getItem("theme");
  apply(THEMES.includes(known) ? known : "auto");
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    apply(next);
  });
}
