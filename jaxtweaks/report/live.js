// While there is more to come the page reloads itself, and stays where the reader is in it.
const live = document.documentElement.dataset;
if ('live' in live) {
  const every = Math.max(2, Number(live.live));
  const age = document.getElementById('age');
  const choices = [...document.querySelectorAll('#curves select')];
  const settings = [...document.querySelectorAll('#curves .settings button')];
  const picked = () => settings.findIndex(button => button.getAttribute('aria-pressed') === 'true');
  const place = () => ({
    y: window.scrollY,
    choices: choices.map(choice => choice.selectedOptions[0].textContent),
    setting: picked(),
    open: [...document.querySelectorAll('details')].map(part => part.open),
  });
  const kept = store => {
    try { return store(window.sessionStorage); } catch { return null; }
  };
  const before = JSON.parse(kept(store => store.getItem('jaxtweaks-live')) || 'null');
  if (before) {
    choices.forEach((choice, i) => {
      const same = [...choice.options].find(option => option.textContent === before.choices[i]);
      if (same && !same.selected) {
        choice.value = same.value;
        choice.dispatchEvent(new Event('change'));
      }
    });
    if (before.setting >= 0 && settings[before.setting]) settings[before.setting].click();
    document.querySelectorAll('details').forEach((part, i) => { part.open = Boolean(before.open[i]); });
    window.scrollTo(0, before.y);
  }
  const words = seconds => seconds < 90 ? Math.round(seconds) + ' s' : Math.round(seconds / 60) + ' min';
  let opened = Date.now();
  const look = () => {
    const seconds = Math.max(0, Date.now() / 1000 - Number(live.written));
    const late = seconds > 6 * every + 60;
    age.textContent = 'Written ' + words(seconds) + ' ago. ' + ('stopped' in live
      ? 'The same command goes on from here.'
      : late ? 'Nothing new since: it may have been interrupted. The same command goes on.'
        : 'The page reloads itself until all is done.');
    // Not while something is chosen or marked.
    const busy = document.activeElement instanceof HTMLSelectElement || String(window.getSelection());
    if (!('stopped' in live) && !busy && Date.now() - opened > 1000 * every) {
      kept(store => store.setItem('jaxtweaks-live', JSON.stringify(place())));
      opened = Date.now();
      window.location.reload();
    }
  };
  look();
  window.setInterval(look, 1000);
}
