"""The style of a report: a column of text, figures as wide as it, light and dark, on paper too."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--text:#15191e;--muted:#525c66;--ground:#fff;--line:#c4cad1;
--soft:#f3f5f7;--accent:#1f5fa8;--warn:#8a3b00;--warn-ground:#fff3e2}
@media (prefers-color-scheme:dark){:root{--text:#eef1f5;--muted:#aab3bd;--ground:#14171b;
--line:#3a424b;--soft:#1d2227;--accent:#8fbdf2;--warn:#ffc48a;--warn-ground:#33230f}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 48px;max-width:892px;background:var(--ground);
color:var(--text);font:16px/1.5 Helvetica,Arial,'DejaVu Sans',sans-serif;overflow-wrap:anywhere}
h1{font-size:27px;line-height:1.2;margin:0 0 8px}
h2{font-size:20px;margin:40px 0 8px;padding-top:14px;border-top:1px solid var(--line)}
a{color:var(--accent)}
nav ol{margin:12px 0 0;padding-left:1.4em;columns:2;column-gap:32px;font-size:15px}
.warning,.refusal{padding:8px 12px;border-left:4px solid var(--warn);background:var(--warn-ground);
color:var(--warn)}
.refusal{border-color:var(--line);background:var(--soft);color:var(--muted)}
figure{margin:14px 0 28px}
.picture{overflow-x:auto}
.picture:focus-visible,pre:focus-visible,a:focus-visible{outline:2px solid var(--accent);
outline-offset:2px}
.picture svg{display:block;border:1px solid var(--line);border-radius:4px;min-width:790px}
figcaption p{margin:8px 0 0;max-width:78ch}
.not{color:var(--muted)}
.facts{font-size:13.5px;color:var(--muted)}
details{font-size:13.5px;color:var(--muted)}
summary{margin-top:6px;cursor:pointer}
table{border-collapse:collapse;width:100%;margin:8px 0;font-size:15px}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);
vertical-align:top;font-weight:normal}
th[scope=row]{min-width:5em}
thead th.number,td.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.bar{width:50%}
.bar span{display:block;height:12px;background:var(--accent);border-radius:2px;min-width:1px}
tr.target th,tr.target td{font-weight:bold}
footer th{width:11em;color:var(--muted)}
pre{overflow-x:auto;padding:12px;background:var(--soft);border:1px solid var(--line);
border-radius:4px;font:13.5px/1.5 'DejaVu Sans Mono',Menlo,Consolas,monospace}
@media (max-width:600px){body{padding:16px 12px 40px}nav ol{columns:1}h1{font-size:23px}
td.bar{width:30%}}
@media print{details{display:none}
body{max-width:none;padding:0;font-size:11pt}nav,.picture{overflow:visible}
.picture svg{min-width:0;width:100%}figure,tr{break-inside:avoid}h2{break-after:avoid}
pre{white-space:pre-wrap}}
"""
