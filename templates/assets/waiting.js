// The waiting page, live: server-sent events move the steps, the clock and the log.
// Events: `status` (JSON: step, steps, queue_place, elapsed_s, usual_s, log_lines), `ready`, `failed`.
(() => {
  'use strict';
  const root = document.querySelector('[data-waiting]');
  if (!root) return;
  const one = (selector, within = document) => within.querySelector(selector);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  const status = {
    step: root.dataset.step,
    elapsed: Number(root.dataset.elapsedS),
    usual: Number(root.dataset.usualS) || null,
    stepTook: Number(root.dataset.stepS),
    at: performance.now(),
  };

  const duration = (seconds) => {
    if (seconds < 60) {
      const n = seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds);
      return fill(root.dataset.seconds, { n });
    }
    const minutes = fill(root.dataset.minutes, { n: Math.floor(seconds / 60) });
    const rest = Math.floor(seconds % 60);
    return rest ? `${minutes} ${fill(root.dataset.seconds, { n: rest })}` : minutes;
  };

  // Straight to four fifths in the usual time, then ever slower: it never claims to be done.
  const share = (elapsed, usual) => {
    if (!usual) return 90 * (1 - Math.exp(-elapsed / 20));
    const part = elapsed / usual;
    return part < 1 ? 80 * part : 80 + 17 * (1 - Math.exp(1 - part));
  };

  const draw = () => {
    const since = (performance.now() - status.at) / 1000;
    const elapsed = status.elapsed + since;
    one('[data-elapsed]').textContent = duration(elapsed);
    one('[data-progress]').value = share(elapsed, status.usual);
    one('[data-late]').hidden = !status.usual || elapsed < status.usual * 1.5;
    const time = one(`[data-step-name="${status.step}"] [data-step-time]`);
    if (time && status.stepTook !== null) time.textContent = duration(status.stepTook + since);
  };

  const drawSteps = (said) => {
    const took = new Map((said.steps ?? []).map((time) => [time.step, time.took_s]));
    for (const item of root.querySelectorAll('[data-step-name]')) {
      const name = item.dataset.stepName;
      const state = name === said.step ? 'now' : took.has(name) ? 'done' : 'later';
      item.className = `step step--${state}`;
      if (state === 'now') item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
      if (state === 'done') one('[data-step-time]', item).textContent = duration(took.get(name));
      const place = name === 'queued' && said.step === 'queued' && said.queue_place;
      one('[data-step-place]', item).textContent = place ? fill(root.dataset.place, { place }) : '';
    }
    status.stepTook = took.get(said.step) ?? null;
  };

  const drawLog = (lines) => {
    const log = one('[data-log]');
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.textContent = lines.join('\n');
    one('[data-log-empty]').hidden = lines.length > 0;
    if (atEnd) log.scrollTop = log.scrollHeight;
  };

  const take = (said) => {
    status.step = said.step ?? status.step;
    status.elapsed = said.elapsed_s ?? status.elapsed;
    status.usual = said.usual_s ?? status.usual;
    status.at = performance.now();
    drawSteps(said);
    if (said.log_lines) drawLog(said.log_lines);
    draw();
  };

  const leave = () => {
    close();
    location.reload();
  };

  // A hidden page holds no connection: a browser has six for a server, and other tabs want them.
  let events = null;
  const close = () => {
    events?.close();
    events = null;
  };
  const open = () => {
    if (events || document.hidden) return;
    events = new EventSource(`/_usher/wait?app=${encodeURIComponent(root.dataset.waiting)}`);
    events.addEventListener('open', () => { one('[data-lost]').hidden = true; });
    events.addEventListener('status', (event) => take(JSON.parse(event.data)));
    events.addEventListener('ready', leave);
    events.addEventListener('failed', leave);
    events.addEventListener('error', () => {
      one('[data-lost]').hidden = false;
      // The browser reconnects by itself, unless it was told no: then the page knows more.
      if (events?.readyState === EventSource.CLOSED) {
        close();
        setTimeout(() => location.reload(), 2000);
      }
    });
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);

  const log = one('[data-log]');
  log.scrollTop = log.scrollHeight;
  setInterval(() => { if (!document.hidden) draw(); }, 100);
  open();
})();
