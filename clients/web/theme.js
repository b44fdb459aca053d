/** Sets the theme before anything is drawn: the person's choice, else the system's. A classic script, so that it blocks. */

(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try {
      return localStorage.getItem("seamwatch.theme");
    } catch {
      return null;
    }
  };

  const apply = () => {
    const choice = chosen();
    const known = choice === "dark" || choice === "light";
    document.documentElement.dataset.theme = known ? choice : system.matches ? "dark" : "light";
    document.dispatchEvent(new Event("themechange"));
  };

  system.addEventListener("change", apply);
  document.addEventListener("themechosen", apply);
  apply();
})();
