// The theme is the reader's system's until they choose another; it is remembered where it can be.
const themes = document.getElementById('theme');
const remembered = store => {
  try { return store(window.localStorage); } catch { return null; }  // not to be had from a file
};
const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : window.matchMedia('(prefers-color-scheme: dark)').matches;
};
const setTheme = theme => {
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  themes.textContent = isDark() ? 'Light theme' : 'Dark theme';
};
themes.addEventListener('click', () => {
  const theme = isDark() ? 'light' : 'dark';
  setTheme(theme);
  remembered(store => store.setItem('jaxtweaks-theme', theme));
});
setTheme(remembered(store => store.getItem('jaxtweaks-theme')));
themes.hidden = false;
