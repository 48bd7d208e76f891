// Runs the script of a film's page on a stand-in for a browser's document. Usage: node film.js FILE
const html = require('fs').readFileSync(process.argv[2], 'utf8');
const script = html.slice(html.lastIndexOf('<script>') + 8, html.lastIndexOf('</script>'));

function element(dataset = {}) {
  const handlers = {};
  return {
    dataset, style: {}, value: '', textContent: '', classList: { add() {}, remove() {}, toggle() {} },
    addEventListener: (type, f) => { (handlers[type] ||= []).push(f); },
    fire: (type, event = {}) => (handlers[type] || []).forEach(
      f => f({ preventDefault() {}, stopPropagation() {}, target: { tagName: 'BODY' }, ...event })),
    setAttribute() {}, getAttribute: () => '0 0 10 10',
    querySelector: () => null, querySelectorAll: () => [],
  };
}

function play(reduced) {
  const parts = [...html.matchAll(/data-frames="(\d+ \d+)"/g)].map(m => element({ frames: m[1] }));
  const buttons = Object.fromEntries(['back', 'play', 'on'].map(n => [n, element({ film: n })]));
  const svg = element({ prefix: 'g' });
  svg.querySelectorAll = query => (query === '[data-frames]' ? parts : []);
  const ids = {};
  for (const id of ['view', 'find', 'facts', 'help', 'count', 'film', 'time', 'frame']) ids[id] = element();
  ids.view.querySelector = () => svg;
  ids.film.querySelectorAll = () => Object.values(buttons);
  ids.film.querySelector = () => buttons.play;
  const page = element(), timers = [];
  const document = {
    ...page, getElementById: id => ids[id], querySelectorAll: () => [], createElement: () => element(),
  };
  const window = element(), set = (f, ms) => timers.push({ f, ms }), clear = () => { timers.length = 0; };
  new Function('document', 'window', 'matchMedia', 'setTimeout', 'clearTimeout', script)(
    document, window, () => ({ matches: reduced }), set, clear);
  const shown = () => parts.filter(p => p.style.visibility === 'visible').map(p => p.dataset.frames).join();
  return { page, ids, buttons, timers, shown };
}

const expect = (holds, what) => { if (!holds) throw new Error(what); };
const film = play(false);
expect(film.shown() === '0 1,0 2' && film.ids.frame.textContent === '1 of 3', film.shown());
expect(film.timers.length === 1 && film.timers[0].ms === 1000, 'the first frame stays a second');
film.timers.shift().f();
expect(film.shown() === '1 2,0 2', `then ${film.shown()}`);
film.page.fire('keydown', { key: ' ' });
expect(film.timers.length === 0 && film.buttons.play.textContent === 'play', 'space stops');
film.page.fire('keydown', { key: '.' });
expect(film.shown() === '2 3', `one on: ${film.shown()}`);
film.buttons.on.fire('click');
expect(film.ids.frame.textContent === '1 of 3', 'after the last comes the first');
film.buttons.back.fire('click');
expect(film.ids.frame.textContent === '3 of 3', 'and before it the last');
film.ids.time.value = '1';
film.ids.time.fire('input');
expect(film.shown() === '1 2,0 2', 'the slide chooses');
film.buttons.play.fire('click');
expect(film.timers.length === 1 && film.buttons.play.textContent === 'pause', 'it plays again');
const still = play(true);
expect(still.shown() === '2 3' && still.timers.length === 0, 'no motion where less is asked for');
