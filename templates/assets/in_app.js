// In an app's page: notices, the countdown before a stop, "reconnecting" in place of a dead page,
// and reports of what a person does. One WebSocket and one shadow root of its own.
(() => {
  'use strict';
  const { app, texts: tables } = document.currentScript.dataset;
  const texts = JSON.parse(tables);
  const slug = encodeURIComponent(app);
  let language = [...navigator.languages, ...Object.keys(texts)].map((tag) => tag.slice(0, 2)).find((tag) => texts[tag]);
  const say = (key, values = {}) =>
    texts[language][key].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  // ---- Cards by name; put back if the app's redrawing removes them ----

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const host = element('div');
  const shadow = host.attachShadow({ mode: 'open' });
  const style = `
    :host { all: initial; position: fixed; inset: 4rem 1rem auto auto; z-index: 2147483000; pointer-events: none; }
    .cards { display: grid; gap: .5rem; width: min(23rem, calc(100vw - 2rem)); }
    .card { pointer-events: auto; display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; padding: .875rem 1rem;
      background: #1f1c17; color: #f6f1e6; border: 1px solid #4a4438; border-radius: 12px; box-shadow: 0 12px 32px -8px rgb(0 0 0 / 45%);
      font: 400 15px/1.5 Pretendard, -apple-system, "Segoe UI", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", sans-serif;
      font-variant-numeric: tabular-nums; word-break: keep-all; overflow-wrap: anywhere; }
    .text { flex: 1 1 12rem; margin: 0; white-space: pre-line; }
    .title { display: block; font-size: 13px; font-weight: 600; color: #f2b04a; }
    .title time { font-weight: 400; color: #b9b1a0; margin-left: .5em; }
    button, a { font: inherit; font-weight: 600; font-size: 14px; padding: 6px 14px; border: 1px solid #8b8375; border-radius: 8px;
      background: none; color: inherit; cursor: pointer; text-decoration: none; }
    .main { background: #f6f1e6; color: #1f1c17; border-color: #f6f1e6; }
    button:hover, a:hover { border-color: #f2b04a; }
    :focus-visible { outline: 2px solid #f2b04a; outline-offset: 2px; }
    .turn { flex: none; width: 16px; height: 16px; border: 2px solid #6b6353; border-top-color: #f2b04a; border-radius: 50%; animation: turn .9s linear infinite; }
    @keyframes turn { to { transform: rotate(1turn); } }
    @media (prefers-reduced-motion) { .turn { animation-duration: 3s; } }
    @media (max-width: 30rem) { :host { left: 1rem; } .cards { width: auto; } }`;
  // Not a style element: a policy of the app's own would forbid it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  shadow.adoptedStyleSheets = [sheet];
  const cards = element('div', { className: 'cards' });
  shadow.append(cards);
  const attach = () => { if (!host.isConnected && document.body) document.body.append(host); };

  const shown = new Map();
  const show = (name, draw, role = 'status') => {
    let card = shown.get(name)?.card;
    if (!card) cards.append(card = element('div', { className: 'card' }));
    card.setAttribute('role', role);
    shown.set(name, { card, draw });
    card.lang = language;
    card.replaceChildren(...draw());
    attach();
    return card;
  };
  const hide = (name) => {
    shown.get(name)?.card.remove();
    shown.delete(name);
  };
  const text = (...parts) => element('p', { className: 'text' }, ...parts);
  const button = (key, act, className = '') =>
    element('button', { type: 'button', textContent: say(key), className, onclick: act });
  const again = () => button('reopen', () => location.reload(), 'main');

  // ---- The countdown before a stop ----

  let stops = null;
  const left = () => {
    const seconds = Math.max(0, Math.round((stops.at - Date.now()) / 1000));
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  };
  // An end that the person may put off, and its texts before and after.
  const mayKeep = (because) => because === 'idle' || because === 'untouched';
  const stopText = (because) =>
    mayKeep(because) ? 'stops_idle' : because === 'lifetime' ? 'stops_lifetime' : 'stops_other';
  const endText = (because) =>
    mayKeep(because) ? 'ended_idle' : because === 'lifetime' ? 'ended_lifetime' : 'ended';
  const keep = async (event) => {
    const pressed = event.target;
    pressed.disabled = true;
    const kept = await fetch(`/_usher/keep?app=${slug}`, {
      method: 'POST', headers: { 'X-Usher-Request': '1' },
    }).then((answer) => answer.ok, () => false);
    if (kept) endCountdown();
    else if (stops) showCountdown('keep_failed');
  };
  const showCountdown = (note) => {
    const time = () => say(note ?? stopText(stops.because), { time: left() });
    // Only its first words are read aloud, not every second.
    const card = show('stops', () => [text(time()), ...(mayKeep(stops.because) ? [button('keep', keep, 'main')] : [])], 'alert');
    clearInterval(stops.timer);
    stops.timer = setInterval(() => {
      card.setAttribute('role', 'timer');
      card.querySelector('.text').textContent = time();
      if (Date.now() >= stops.at) clearInterval(stops.timer);
    }, 1000);
  };
  const endCountdown = () => {
    if (stops) clearInterval(stops.timer);
    stops = null;
    hide('stops');
  };

  // ---- Notices ----

  const closedKey = 'usher.closed_notices';
  const closed = () => {
    try { return JSON.parse(sessionStorage.getItem(closedKey)) ?? []; } catch { return []; }
  };
  const close = (id) => {
    hide(`notice ${id}`);
    try { sessionStorage.setItem(closedKey, JSON.stringify([...closed(), id].slice(-50))); } catch { /* private mode */ }
  };
  const notice = ({ id: number, text: words, at }) => {
    // Numbers begin anew when the server does.
    const id = `${number} ${at}`;
    if (closed().includes(id)) return;
    const time = new Date(at);
    show(`notice ${id}`, () => {
      const title = element('span', { className: 'title', textContent: say('notice') });
      const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
      if (time > 0) title.append(element('time', { textContent: time.toLocaleTimeString(language, clock) }));
      return [text(title, words), button('dismiss', () => close(id))];
    });
  };

  // ---- A start that failed: the server's page says why ----

  const failed = () => {
    const key = 'usher.failed_at';
    try {
      if (Date.now() - Number(sessionStorage.getItem(key)) < 10000) return;
      sessionStorage.setItem(key, String(Date.now()));
    } catch { /* private mode */ }
    location.reload();
  };

  // ---- The WebSocket ----

  const take = {
    notice,
    failed,
    kept: endCountdown,
    // The WebSocket stays: somebody may start the app again from another page.
    ended: ({ because }) => {
      endCountdown();
      ended(endText(because), again);
    },
    runs: () => hide('ended'),
    stops: ({ in_s: seconds, because }) => {
      endCountdown();
      stops = { at: Date.now() + seconds * 1000, because, timer: 0 };
      showCountdown();
    },
    language: ({ language: wanted }) => {
      if (!texts[wanted] || wanted === language) return;
      language = wanted;
      for (const [name, { draw }] of shown) show(name, draw);
    },
  };

  let socket = null;
  let attempts = 0;
  let retry = 0;
  let lost = 0;
  let leaving = false;

  const reconnecting = (key) => {
    // Only when it lasts, over however many attempts.
    lost ||= setTimeout(() => show('connection', () => [
      element('span', { className: 'turn' }), text(say(key)), button('retry', connect),
    ]), key === 'restarting' ? 0 : 1500);
    clearTimeout(retry);
    const wait = Math.min(15000, 500 * 2 ** attempts) * (0.75 + Math.random() / 2);
    attempts += 1;
    retry = setTimeout(connect, wait);
  };
  const found = () => {
    clearTimeout(lost);
    lost = 0;
    hide('connection');
  };
  const ended = (key, action) => {
    found();
    show('ended', () => [text(say(key)), action()], 'alert');
  };
  const closedWith = (code) => {
    if (leaving) return;
    if (code === 4001 || code === 4003) endCountdown();
    if (code === 4001) {
      const href = `/_usher/login?next=${encodeURIComponent(location.pathname + location.search)}`;
      ended('signed_out', () => element('a', { className: 'main', href, textContent: say('sign_in') }));
    } else if (code === 4003) {
      ended('kicked', again);
    } else {
      reconnecting(code === 1012 ? 'restarting' : 'reconnecting');
    }
  };
  function connect() {
    clearTimeout(retry);
    if (socket && socket.readyState < WebSocket.CLOSING) return;
    const mine = socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/_usher/notices?app=${slug}`);
    mine.onopen = () => {
      attempts = 0;
      found();
      hide('ended');
      if (lastAct > reported) acted(lastAct);
    };
    mine.onmessage = (event) => {
      let message;
      try { message = JSON.parse(event.data); } catch { return; }
      if (Object.hasOwn(take, message.type)) take[message.type](message);
    };
    mine.onclose = (event) => { if (mine === socket) closedWith(event.code); };
  }

  // ---- Acts, at most one a minute ----

  let lastAct = 0;
  let reported = 0;
  const report = () => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    reported = Date.now();
    socket.send('{"act":true}');
  };
  const acted = (at) => {
    lastAct = at;
    if (at - reported >= 60000) report();
  };
  for (const name of ['pointerdown', 'keydown', 'touchstart', 'wheel']) {
    addEventListener(name, (event) => { if (event.isTrusted) acted(Date.now()); }, { capture: true, passive: true });
  }
  // A press in a frame is seen only as the focus going there.
  addEventListener('blur', () => { if (document.activeElement?.tagName === 'IFRAME') acted(Date.now()); });

  // Chromium keeps a page for "Back", with its WebSockets open: the person would count as being here
  // for minutes after they left. The app's page connects again by itself when it is shown again.
  const sockets = new Set();
  window.WebSocket = new Proxy(WebSocket, {
    construct: (target, given, made) => {
      const one = Reflect.construct(target, given, made);
      sockets.add(one);
      one.addEventListener('close', () => sockets.delete(one));
      return one;
    },
  });
  addEventListener('pagehide', (event) => {
    leaving = true;
    socket?.close();
    if (event.persisted) for (const one of sockets) one.close();
  });
  addEventListener('pageshow', (event) => {
    leaving = false;
    if (event.persisted) connect();
  });

  const start = () => {
    attach();
    new MutationObserver(() => { if (shown.size) attach(); }).observe(document.body, { childList: true });
    connect();
  };
  if (document.body) start();
  else addEventListener('DOMContentLoaded', start, { once: true });
})();
