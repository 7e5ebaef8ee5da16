// What makes usher's own pages a little better where scripts run: copying, trying again by itself,
// asking before something is ended. Every page works without it.
(() => {
  'use strict';
  document.documentElement.classList.add('has-script');

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  // Copy buttons say what they did in their own place.
  const copy = async (button) => {
    const value = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Without TLS there is no clipboard interface; the older way still works.
      const field = document.createElement('textarea');
      field.value = value;
      document.body.append(field);
      field.select();
      const copied = document.execCommand('copy');
      field.remove();
      if (!copied) return;
    }
    const before = [...button.childNodes];
    button.replaceChildren(button.dataset.copied);
    button.classList.add('copy--done');
    button.setAttribute('aria-live', 'polite');
    setTimeout(() => {
      button.replaceChildren(...before);
      button.classList.remove('copy--done');
    }, 1600);
  };

  const show = (button) => {
    const field = document.getElementById(button.dataset.show);
    const shown = field.type === 'password';
    field.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
    field.focus();
  };

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-copy], [data-show]');
    if (button?.dataset.copy !== undefined) copy(button);
    else if (button) show(button);
    // A menu closes when something else is clicked.
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      menu.open = false;
      menu.querySelector('summary').focus();
    }
  });

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.dataset.confirm && !confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    // Once is enough; after the form is on its way, so that the button's own value goes with it.
    setTimeout(() => {
      for (const button of form.querySelectorAll('button:not([type="button"])')) button.disabled = true;
    });
  });

  // Back from the browser's page cache: the buttons work again.
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll('form button[disabled]')) button.disabled = false;
  });

  // Pages that say "not now" try again by themselves, but only while somebody looks.
  const countdown = document.querySelector('[data-retry-s]');
  if (countdown) {
    let left = Number(countdown.dataset.retryS);
    const tick = () => {
      if (document.hidden) return;
      left -= 1;
      if (left <= 0) {
        clearInterval(timer);
        location.reload();
        return;
      }
      const time = fill(countdown.dataset.seconds, { n: left });
      countdown.textContent = fill(countdown.dataset.retryText, { time });
    };
    const timer = setInterval(tick, 1000);
  }
})();
