// The administrators' pages, better: the part of a page that changes follows the server's events,
// and questions are asked in a dialog. Every page works without this.
(() => {
  'use strict';
  const one = (selector, within = document) => within.querySelector(selector);

  // ---- Making one tree like another, without losing focus, scrolling or what was opened ----------

  const keyOf = (node) => node.dataset?.key ?? (node.id || null);
  const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

  const sameAttributes = (from, to) => {
    for (const { name } of [...from.attributes]) {
      // What was opened stays open.
      if (!to.hasAttribute(name) && !(name === 'open' && from.nodeName === 'DETAILS')) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  };

  const become = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    const followed = from.matches('[data-log]') && from.scrollHeight - from.scrollTop - from.clientHeight < 40;
    sameAttributes(from, to);
    becomeChildren(from, to);
    if (followed) from.scrollTop = from.scrollHeight;
  };

  const becomeChildren = (from, to) => {
    const keyed = new Map();
    for (const child of from.children) if (keyOf(child)) keyed.set(keyOf(child), child);
    let place = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const key = wanted.nodeType === Node.ELEMENT_NODE ? keyOf(wanted) : null;
      const found = key ? keyed.get(key) : null;
      if (found && alike(found, wanted)) {
        if (found === place) place = place.nextSibling;
        else from.insertBefore(found, place);
        become(found, wanted);
      } else if (place && !key && alike(place, wanted)) {
        become(place, wanted);
        place = place.nextSibling;
      } else {
        from.insertBefore(wanted, place);
      }
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  };

  // ---- The page's events --------------------------------------------------------------------------

  const page = one('[data-live]');
  const part = one('[data-part]');
  if (page && part) {
    const pulse = one('[data-pulse]');
    const isOn = pulse?.textContent;
    let events = null;
    const shows = (on) => {
      if (!pulse) return;
      pulse.classList.toggle('pulse--lost', !on);
      pulse.textContent = on ? isOn : page.dataset.liveLost;
    };
    // A hidden page holds no connection: a browser has six for a server, and other tabs want them.
    const close = () => {
      events?.close();
      events = null;
    };
    const open = () => {
      if (events || document.hidden) return;
      events = new EventSource(page.dataset.live);
      events.addEventListener('open', () => shows(true));
      events.addEventListener('part', (event) => {
        shows(true);
        const said = document.createElement('template');
        said.innerHTML = JSON.parse(event.data);
        becomeChildren(part, said.content);
      });
      events.addEventListener('error', () => {
        // A stream that ends is asked for anew by the browser itself; one that was refused is not.
        if (events?.readyState !== EventSource.CLOSED) return;
        shows(false);
        close();
        setTimeout(open, 5000);
      });
    };
    document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
    addEventListener('pagehide', close);
    addEventListener('pageshow', open);
    open();
  }

  // ---- Questions ------------------------------------------------------------------------------------

  const dialog = one('#ask');
  const form = one('form', dialog);
  const yes = one('[data-ask-yes]', dialog);
  let asked = null;

  const ask = (source, title, more) => {
    const { askText, askDo } = source.dataset;
    one('#ask-title', dialog).textContent = title;
    one('#ask-text', dialog).textContent = askText ?? '';
    one('#ask-more', dialog).textContent = more ?? '';
    yes.textContent = askDo;
    yes.disabled = false;
    dialog.classList.toggle('ask--danger', source.dataset.askDanger !== undefined);
    dialog.showModal();
  };

  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-ask]');
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      asked = null;
      form.action = link.href;
      ask(link, link.dataset.ask, link.dataset.askMore);
    }
    if (event.target.closest('[data-ask-no]') || event.target === dialog) dialog.close();
  });

  document.addEventListener('submit', (event) => {
    const source = event.target;
    if (source === form && asked) {
      // The question was about a form of the page: that one goes, and says that it was asked.
      event.preventDefault();
      const sure = document.createElement('input');
      Object.assign(sure, { type: 'hidden', name: 'sure', value: '1' });
      asked.append(sure);
      asked.submit();
      return;
    }
    if (source.dataset.askForm === undefined) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    asked = source;
    ask(source, source.dataset.askForm, one('textarea', source)?.value.trim());
  }, true);

  // ---- What was done is said once, and read aloud -----------------------------------------------------

  const told = one('[data-told]');
  if (told) {
    told.focus({ preventScroll: true });
    const here = new URL(location.href);
    here.searchParams.delete('told');
    history.replaceState(history.state, '', here);
  }

  for (const log of document.querySelectorAll('[data-log]')) log.scrollTop = log.scrollHeight;
})();
