// Public: kPageTemplate.
#include "reports/html/page_template.h"

namespace cotenant {

const char* const kPageTemplate = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cotenant: {{title}}</title>
<style>
:root{--ink:#1b1b1b;--mut:#595959;--line:#d9d9d9;--ok:#00694b;--bad:#a33a00;--warn:#7a5900;--okbg:#eef7f3;--badbg:#fbf1ec;--warnbg:#faf5e6}
*{box-sizing:border-box}
html{color-scheme:light}
body{font:16px/1.5 system-ui,'DejaVu Sans',sans-serif;color:var(--ink);background:#fff;max-width:1180px;margin:0 auto;padding:24px;overflow-wrap:break-word}
h1{font-size:28px;line-height:1.25;margin:4px 0}
h2{font-size:20px;margin:38px 0 10px;border-top:2px solid var(--ink);padding-top:10px}
p{max-width:80ch;margin:8px 0}
a{color:#0a558c}
.mut{color:var(--mut);font-size:14px}
nav a{margin-right:16px;display:inline-block}
.verdict{border-left:8px solid var(--mut);background:#f4f4f4;padding:12px 18px;margin:18px 0;font-size:18px}
.wide,.verdict p{max-width:none}.verdict p{margin:0}
.verdict.good{border-color:var(--ok);background:var(--okbg)}
.verdict.bad{border-color:var(--bad);background:var(--badbg)}
.verdict.warn{border-color:var(--warn);background:var(--warnbg)}
.notice{border:1px solid var(--warn);background:var(--warnbg);padding:8px 14px}
.scroll{overflow-x:auto;margin:14px 0 22px}
table{border-collapse:collapse;width:100%;font-size:15px}
caption{text-align:left;color:var(--mut);font-size:14px;padding:0 0 6px}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-bottom:2px solid var(--ink);vertical-align:bottom;line-height:1.3}
tbody th{font-weight:400}
.n{text-align:right;font-variant-numeric:tabular-nums}
td.n,.t{white-space:nowrap}
.long{overflow-wrap:anywhere;min-width:9em}
.good{color:var(--ok);font-weight:600}.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}.muted{color:var(--mut)}
.verdict.good,.verdict.bad,.verdict.warn{color:var(--ink);font-weight:400}
tr.best th,tr.best td{background:var(--okbg)}
b,.strong{font-weight:700}
.grid{display:grid;grid-template-columns:1fr 1fr;gap:18px;margin:14px 0}
figure{margin:0;border:1px solid var(--line);padding:10px 12px;break-inside:avoid;min-width:0}
.grid figure:only-child{grid-column:1/-1;max-width:780px}
figure h3{font-size:15px;margin:0 0 4px}
figure svg{display:block;width:100%;height:auto}
figure svg text{font-family:system-ui,'DejaVu Sans',sans-serif}
figcaption{font-size:14px;color:var(--mut);padding:6px 0 0}
code,pre{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.9em}
pre{background:#f6f6f6;padding:12px;overflow-x:auto;line-height:1.4}
pre.cmd{white-space:pre-wrap}
summary{cursor:pointer}
@media screen and (max-width:820px){body{padding:14px}.grid{grid-template-columns:1fr}.verdict{font-size:17px}}
@media print{@page{size:A4;margin:14mm}body{max-width:none;padding:0;font-size:10pt}nav{display:none}h1{font-size:18pt}h2{font-size:13pt;break-after:avoid;margin-top:18pt}table{font-size:8.5pt}th,td{padding:3px 5px}td.n,.t{white-space:normal}tr,.verdict{break-inside:avoid}.scroll{overflow:visible}.verdict{font-size:11pt}figcaption,caption,.mut,figure h3{font-size:8.5pt}.verdict,tr.best th,tr.best td{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
</style></head><body>
<header>
<p class="mut wide">{{origin}}</p>
<h1>{{title}}</h1>
{{#about}}<p>{{about}}</p>
{{/about}}<nav class="mut" aria-label="Sections"><a href="#decision">Decision</a>{{#sections}}<a href="#{{id}}">{{title}}</a>{{/sections}}</nav>
</header>
<main>
<div class="verdict {{tone}}" id="decision"><p><b>{{headline}}</b> {{decision}}</p></div>
{{#warning}}<p class="notice">{{warning}}</p>
{{/warning}}{{#comparison}}{{>table}}{{/comparison}}
{{#sections}}<section aria-labelledby="{{id}}"><h2 id="{{id}}">{{title}}</h2>
{{#paragraphs}}<p>{{text}}</p>
{{/paragraphs}}{{#has_plots}}<div class="grid">
{{#plots}}<figure><h3>{{title}}</h3>{{{svg}}}
<figcaption>{{caption}}</figcaption></figure>
{{/plots}}</div>
{{/has_plots}}{{#tables}}{{>table}}{{/tables}}{{#notes}}<p>{{text}}</p>
{{/notes}}{{#reproduce}}<p>Save the resolved scenario below under this name beside the profiles and traces that it names, and run:</p>
<pre class="cmd"><code>{{command}}</code></pre>
<details><summary>The resolved scenario</summary>
<pre><code>{{{scenario}}}</code></pre></details>
{{/reproduce}}</section>
{{/sections}}</main></body></html>
)";

}  // namespace cotenant
