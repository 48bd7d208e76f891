"""A scene as a page: one file that refers to nothing, with search, zoom and keys."""

import json
from typing import Final

from graphcnn.pictures.scene.frames import strip
from graphcnn.pictures.scene.scene import Scene
from graphcnn.pictures.writers.svg import text, to_svg

#: What a page may load: nothing but what stands in it.
POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)

_STYLE: Final = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;font:14px/1.4 Helvetica,Arial,'DejaVu Sans',sans-serif;background:#fff;color:#15191e}
header{display:flex;flex-wrap:wrap;gap:8px;align-items:center;padding:8px 12px;
border-bottom:1px solid #9aa3ad}
h1{font-size:16px;margin:0 auto 0 0}
input,button{font:inherit;color:inherit;background:transparent;border:1px solid #6a737d;
border-radius:4px;padding:3px 8px}
button:focus-visible,input:focus-visible,#view:focus-visible{outline:2px solid #2b6cb0}
#view{height:calc(100vh - 52px);overflow:hidden;cursor:grab;touch-action:none}
#view svg{width:100%;height:100%!important;max-width:none!important;display:block}
g.card{cursor:pointer;outline:none}
g.card:focus-visible{outline:2px solid #2b6cb0;outline-offset:2px}
svg.chosen g.card,svg.chosen g.edge{opacity:.22}
svg.chosen .near{opacity:1!important}
#facts{position:fixed;right:12px;bottom:12px;max-width:min(420px,90vw);padding:10px 12px;
background:#fff;border:1px solid #6a737d;border-radius:6px;white-space:pre-line}
#facts:empty,#help[hidden]{display:none}
#help{position:fixed;left:12px;bottom:12px;padding:10px 12px;background:#fff;
border:1px solid #6a737d;border-radius:6px}
kbd{border:1px solid #6a737d;border-radius:3px;padding:0 4px}
@media (prefers-color-scheme:dark){body,#facts,#help{background:#14171b;color:#eef1f5}}
@media print{header,#facts,#help{display:none}#view{height:auto;overflow:visible}}
"""

_SCRIPT: Final = """
const view=document.getElementById('view'),svg=view.querySelector('svg'),
find=document.getElementById('find'),facts=document.getElementById('facts'),
help=document.getElementById('help'),count=document.getElementById('count');
const whole=svg.getAttribute('viewBox').split(' ').map(Number);let box=whole.slice();
const cards=[...svg.querySelectorAll('g.card')],edges=[...svg.querySelectorAll('g.edge')];
const prefix=svg.dataset.prefix+'-',byId=new Map(cards.map(c=>[c.id.slice(prefix.length),c]));
let found=[],at=-1;
const apply=()=>svg.setAttribute('viewBox',box.map(v=>v.toFixed(2)).join(' '));
function fit(){box=whole.slice();apply()}
function real(){const w=view.clientWidth,h=view.clientHeight;
box=[box[0]+(box[2]-w)/2,box[1],w,h];if(box[0]<0&&w>=whole[2])box[0]=(whole[2]-w)/2;apply()}
function zoom(f,x,y){const r=view.getBoundingClientRect(),px=x===undefined?.5:(x-r.left)/r.width,
py=y===undefined?.5:(y-r.top)/r.height;const w=Math.min(Math.max(box[2]*f,40),whole[2]*8),
k=w/box[2],h=box[3]*k;box=[box[0]+(box[2]-w)*px,box[1]+(box[3]-h)*py,w,h];apply()}
function pan(x,y){box[0]+=x*box[2];box[1]+=y*box[3];apply()}
function choose(card,move){for(const e of svg.querySelectorAll('.near'))e.classList.remove('near');
svg.classList.toggle('chosen',!!card);facts.textContent='';if(!card)return;
card.classList.add('near');const key=card.id.slice(prefix.length);
for(const e of edges){const l=(e.dataset.links||'').split(' ');if(l.includes(key)){
e.classList.add('near');for(const k of l)byId.get(k)?.classList.add('near')}}
const t=card.querySelector('title');facts.textContent=card.getAttribute('aria-label')+
(t?'\\n'+t.textContent:'');
if(move){const b=card.getBBox();if(b.x<box[0]||b.y<box[1]||b.x+b.width>box[0]+box[2]||
b.y+b.height>box[1]+box[3]){box[0]=b.x+b.width/2-box[2]/2;box[1]=b.y+b.height/2-box[3]/2;apply()}
card.focus({preventScroll:true})}}
function search(){const q=find.value.trim().toLowerCase();
found=q?cards.filter(c=>(c.getAttribute('aria-label')+' '+c.textContent).toLowerCase()
.includes(q)):[];at=-1;count.textContent=q?found.length+' found':'';if(found.length)next(1);
else choose(null)}
function next(d){if(!found.length)return;at=(at+d+found.length)%found.length;
const focus=document.activeElement===find;choose(found[at],true);if(focus)find.focus()}
function step(d){const i=cards.indexOf(document.activeElement);
choose(cards[Math.min(Math.max(i+d,0),cards.length-1)],true)}
find.addEventListener('input',search);
find.addEventListener('keydown',e=>{if(e.key==='Enter'){next(e.shiftKey?-1:1);e.preventDefault()}
if(e.key==='Escape'){find.value='';search();view.focus()}e.stopPropagation()});
document.addEventListener('keydown',e=>{if(e.ctrlKey||e.metaKey||e.altKey)return;
const keys={'/':()=>find.focus(),'+':()=>zoom(.8),'=':()=>zoom(.8),'-':()=>zoom(1.25),
'0':fit,'1':real,'?':()=>{help.hidden=!help.hidden},Escape:()=>{choose(null);help.hidden=true},
ArrowLeft:()=>pan(-.1,0),ArrowRight:()=>pan(.1,0),ArrowUp:()=>pan(0,-.1),
ArrowDown:()=>pan(0,.1),j:()=>step(1),k:()=>step(-1),n:()=>next(1),N:()=>next(-1)};
const act=keys[e.key];if(act){act();e.preventDefault()}});
for(const c of cards){c.addEventListener('click',e=>{if(!moved)choose(c);e.stopPropagation()});
c.addEventListener('focus',()=>choose(c))}
let start=null,moved=false;
view.addEventListener('pointerdown',e=>{start=[e.clientX,e.clientY];moved=false});
window.addEventListener('pointerup',()=>{start=null});
view.addEventListener('pointermove',e=>{if(!start)return;const dx=e.clientX-start[0],
dy=e.clientY-start[1];if(!moved&&Math.abs(dx)+Math.abs(dy)<4)return;moved=true;
const k=Math.max(box[2]/view.clientWidth,box[3]/view.clientHeight);
box[0]-=dx*k;box[1]-=dy*k;start=[e.clientX,e.clientY];apply()});
view.addEventListener('click',()=>{if(!moved)choose(null)});
view.addEventListener('wheel',e=>{e.preventDefault();zoom(e.deltaY>0?1.12:.89,e.clientX,e.clientY)},
{passive:false});
for(const b of document.querySelectorAll('[data-act]'))b.addEventListener('click',()=>({
'fit':fit,'in':()=>zoom(.8),'out':()=>zoom(1.25),'help':()=>{help.hidden=!help.hidden},
'save':()=>{const copy=svg.cloneNode(true);copy.setAttribute('viewBox',whole.join(' '));
copy.setAttribute('width',whole[2]);copy.setAttribute('height',whole[3]);
copy.classList.remove('chosen');for(const p of copy.querySelectorAll('[style]'))
p.removeAttribute('style');
const a=document.createElement('a');a.href='data:image/svg+xml;charset=utf-8,'+
encodeURIComponent(new XMLSerializer().serializeToString(copy));a.download=TITLE+'.svg';a.click()}
})[b.dataset.act]());
"""
_FILM_KEYS: Final = "space plays and stops, <kbd>,</kbd> <kbd>.</kbd> one frame back and on<br>"
#: Of a film: its buttons, and what is printed in its place.
_FILM_STYLE: Final = """
body{display:flex;flex-direction:column;height:100vh}
#view{flex:1;height:auto;min-height:0}
#film{display:flex;gap:4px;align-items:center}
#time{width:min(220px,40vw)}
#frame{white-space:nowrap}
#strip{display:none}
@media print{body{display:block;height:auto}#view{display:none}
#strip{display:block}#strip svg{max-width:100%}}
"""

_FILM_SCRIPT: Final = """
const parts=[...svg.querySelectorAll('[data-frames]')],bar=document.getElementById('film'),
slide=document.getElementById('time'),spot=document.getElementById('frame');let now=0,timer=null;
function show(i){now=(i+SECONDS.length)%SECONDS.length;slide.value=now;
spot.textContent=(now+1)+' of '+SECONDS.length;for(const p of parts){
const [a,b]=p.dataset.frames.split(' ').map(Number);p.style.animation='none';
p.style.visibility=a<=now&&now<b?'visible':'hidden'}}
function tick(){timer=setTimeout(()=>{show(now+1);tick()},SECONDS[now]*1000)}
function play(on){clearTimeout(timer);timer=null;if(on)tick();
bar.querySelector('[data-film=play]').textContent=on?'pause':'play'}
function by(d){play(false);show(now+d)}
for(const b of bar.querySelectorAll('[data-film]'))b.addEventListener('click',()=>({
back:()=>by(-1),on:()=>by(1),play:()=>play(timer===null)})[b.dataset.film]());
slide.addEventListener('input',()=>{play(false);show(Number(slide.value))});
slide.addEventListener('keydown',e=>e.stopPropagation());
document.addEventListener('keydown',e=>{if(e.ctrlKey||e.metaKey||e.altKey)return;
const act={' ':()=>play(timer===null),',':()=>by(-1),'.':()=>by(1)}[e.key];
if(act&&e.target.tagName!=='BUTTON'){act();e.preventDefault()}});
const still=matchMedia('(prefers-reduced-motion: reduce)').matches;
show(still?SECONDS.length-1:0);play(!still);
"""


def to_html(scene: Scene) -> str:
    """The scene in a page. The same scene gives the same text.

    A film has buttons and keys to stop it and to go through it frame by frame, stands still for
    readers who asked for less motion, and is printed as a strip.
    """
    film = scene.film
    style, script, controls, printed = _STYLE, _SCRIPT, "", ""
    if film is not None:
        style += _FILM_STYLE
        script = f"const SECONDS={json.dumps(film.seconds)};{script}{_FILM_SCRIPT}"
        controls = (
            '<span id="film"><button data-film="back" aria-label="frame before">‹</button>'
            '<button data-film="play">pause</button>'
            '<button data-film="on" aria-label="next frame">›</button>'
            f'<input id="time" type="range" min="0" max="{len(film.seconds) - 1}" value="0" '
            'aria-label="frame"> <span id="frame"></span></span>'
        )
        if not any(scene.groups("card")):
            style += "#find,#count{display:none}\n"
        printed = f'<div id="strip" aria-hidden="true">{to_svg(strip(scene))}</div>\n'
    title = json.dumps(scene.title[:60]).replace("<", "\\u003c")
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{text(scene.title)}</title><style>{style}</style></head>\n"
        f"<body><header><h1>{text(scene.title)}</h1>{controls}"
        '<input id="find" type="search" placeholder="search ( / )" aria-label="search">'
        '<span id="count" role="status"></span>'
        '<button data-act="out" aria-label="zoom out">−</button>'
        '<button data-act="in" aria-label="zoom in">+</button>'
        '<button data-act="fit">fit</button><button data-act="save">save SVG</button>'
        '<button data-act="help" aria-label="keys">?</button></header>\n'
        f'<main id="view" tabindex="0" aria-label="picture">{to_svg(scene, page=True)}</main>\n'
        f"{printed}"
        '<div id="facts" role="status"></div><div id="help" hidden>'
        "<kbd>/</kbd> search, <kbd>n</kbd> <kbd>N</kbd> next and previous<br>"
        "<kbd>j</kbd> <kbd>k</kbd> walk through the cards<br>"
        "<kbd>+</kbd> <kbd>−</kbd> zoom, arrows move, <kbd>0</kbd> all, <kbd>1</kbd> full size<br>"
        f"{_FILM_KEYS if film else ''}<kbd>Esc</kbd> let go</div>\n"
        f"<script>const TITLE={title};{script}</script></body></html>\n"
    )
