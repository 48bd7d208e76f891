// Runs the script of a page on a stand-in for a browser's document, and uses it as a reader would.
// Usage: node page.js FILE CARD, where the search for CARD must find exactly one card.
const html = require('fs').readFileSync(process.argv[2], 'utf8');
const wanted = process.argv[3];
const script = html.slice(html.lastIndexOf('<script>') + 8, html.lastIndexOf('</script>'));
const clicked = [];

function element(attributes = {}, text = '') {
  const handlers = {}, classes = new Set();
  const self = {
    attributes, classes, dataset: {}, hidden: false, value: '', textContent: text,
    id: attributes.id || '', clientWidth: 800, clientHeight: 600,
    classList: {
      add: c => classes.add(c), remove: c => classes.delete(c),
      toggle: (c, on) => (on ? classes.add(c) : classes.delete(c)),
    },
    addEventListener: (type, f) => { (handlers[type] ||= []).push(f); },
    fire(type, event = {}) {
      const all = { preventDefault() {}, stopPropagation() {}, ...event };
      for (const f of handlers[type] || []) f(all);
    },
    getAttribute: k => attributes[k] ?? null,
    setAttribute: (k, v) => { attributes[k] = String(v); },
    getBoundingClientRect: () => ({ left: 0, top: 0, width: 800, height: 600 }),
    getBBox: () => ({ x: 5000, y: 10, width: 100, height: 50 }),
    focus() { document.activeElement = self; self.fire('focus'); },
    cloneNode: () => element({ ...attributes }),
    click() { clicked.push(self.href); },
    querySelector: () => self.title || null,
    querySelectorAll: () => [],
  };
  return self;
}

const svg = element({ viewBox: /viewBox="([^"]+)"/.exec(html)[1] });
svg.dataset.prefix = /data-prefix="([^"]+)"/.exec(html)[1];
const card = /<g id="([^"]+)" class="card" role="img" tabindex="0" aria-label="([^"]*)">(.*?)<\/g>/gs;
const cards = [...html.matchAll(card)].map(
  m => element({ id: m[1], 'aria-label': m[2] }, m[3].replace(/<[^>]+>/g, ' ')));
const edges = [...html.matchAll(/<g class="edge" data-links="([^"]+)">/g)].map(m => {
  const edge = element();
  edge.dataset.links = m[1];
  return edge;
});
svg.querySelectorAll = query => ({
  'g.card': cards, 'g.edge': edges,
  '.near': [...cards, ...edges].filter(e => e.classes.has('near')),
})[query];
const view = element();
view.querySelector = () => svg;
const ids = { view, find: element(), facts: element(), help: element(), count: element() };
ids.help.hidden = true;
const buttons = [...html.matchAll(/data-act="(\w+)"/g)].map(m => {
  const button = element();
  button.dataset.act = m[1];
  return button;
});
const page = {}, window = { addEventListener: (type, f) => { page[type] = f; } };
const document = {
  activeElement: null, getElementById: id => ids[id], querySelectorAll: () => buttons,
  addEventListener: (type, f) => { page[type] = f; }, createElement: () => element(),
};
class Serializer { serializeToString() { return '<svg/>'; } }
new Function('document', 'window', 'XMLSerializer', script)(document, window, Serializer);

const expect = (holds, what) => { if (!holds) throw new Error(what); };
const key = name => page.keydown({ key: name, preventDefault() {} });
const box = () => svg.attributes.viewBox.split(' ').map(Number);
const near = () => edges.filter(e => e.classes.has('near')).length;
const whole = box();

for (const name of ['/', '+', '-', '1', '?', 'Escape', 'ArrowLeft', 'ArrowUp', 'j', 'k', 'n', 'N']) {
  key(name);
}
key('0');
expect(String(box()) === String(whole), 'key 0 shows all');
key('+');
expect(Math.abs(box()[2] / whole[2] - 0.8) < 1e-3, 'key + zooms');
ids.find.value = wanted.toUpperCase();
document.activeElement = ids.find;
ids.find.fire('input');
expect(ids.count.textContent === '1 found', `search says ${ids.count.textContent}`);
expect(ids.facts.textContent.startsWith(wanted), `facts are ${ids.facts.textContent}`);
expect(document.activeElement === ids.find, 'the focus stays in the search');
expect(near() === 2, `${near()} lines are lit`);
ids.find.fire('keydown', { key: 'Escape' });
expect(!svg.classes.has('chosen') && near() === 0, 'Escape lets go');
cards[1].fire('click');
expect(cards[1].classes.has('near'), 'a click chooses');
const before = String(box());
view.fire('pointerdown', { clientX: 0, clientY: 0 });
view.fire('pointermove', { clientX: 50, clientY: 0 });
page.pointerup();
expect(String(box()) !== before, 'dragging moves');
view.fire('wheel', { deltaY: -1, clientX: 10, clientY: 10 });
for (const button of buttons) button.fire('click');
expect(clicked.length === 1 && clicked[0].startsWith('data:image/svg+xml'), 'the SVG is saved');
