// Every string that people read, in English and Chinese: a line a key, `{name}` is a value.
// @ts-check

import { LESSON_WORDS } from "./lesson_words.js";

/** @type {{ [key: string]: [string, string] }} */
export const WORDS = {
  ...LESSON_WORDS,
  // trace: maps, the parts of a number, pins, the graph
  mapsEach: ["a scale for each map", "每张图单独定标"],
  mapsEachTitle: [
    "Each map has its own scale, and not the whole layer one",
    "每张图各用自己的色标，而不是整层共用",
  ],
  mapsSize: ["size", "大小"],
  "maps-ramp": ["below 0, 0, above 0", "小于 0、等于 0、大于 0"],
  "maps-before": ["what the unit sees", "该单元看到的部分"],
  "maps-after": ["what sees it", "看到它的部分"],
  pageBack: ["maps before", "前面的图"],
  pageOn: ["more maps", "后面的图"],
  pageOf: ["{first}–{last} of {count}", "{first}–{last}，共 {count}"],
  gridLabel: [
    "{layer}: maps: {count}, each {height} × {width}",
    "{layer}：{count} 张 {height} × {width} 的图",
  ],
  unitPlace: [
    "{layer}, map {channel}, row {y}, column {x}",
    "{layer}，第 {channel} 张图，第 {y} 行第 {x} 列",
  ],
  unitOne: ["{layer}, unit {channel}", "{layer}，第 {channel} 个单元"],
  unitClass: ["{layer}, {class}", "{layer}，{class}"],
  pin: ["Pin", "固定"],
  unpin: ["take the pin off", "取消固定"],
  pinned: ["Pinned: {unit}", "已固定：{unit}"],
  unpinned: ["No longer pinned: {unit}", "已取消固定：{unit}"],
  pinsTitle: ["Pinned units", "已固定的单元"],
  pinsKeep: ["Keep this input", "保留当前输入"],
  pinsClear: ["Clear", "清除"],
  pinsNow: ["now", "当前"],
  traceHint: [
    "Point at any cell of a map, or press an arrow key.",
    "把鼠标移到任意图的一格上，或按方向键。",
  ],
  traceSees: [
    "sees rows {rows}, columns {columns} of the image",
    "看到图像的第 {rows} 行、第 {columns} 列",
  ],
  traceChannel: ["channel", "通道"],
  traceFrom: ["{layer} {channel}", "{layer} {channel}"],
  traceRead: ["input", "输入"],
  traceWeight: ["weight", "权重"],
  traceProduct: ["product", "乘积"],
  traceBias: ["bias", "偏置"],
  traceWinner: ["largest", "最大者"],
  traceLevel: ["level, 0 to 255", "灰度，0 到 255"],
  traceNormal: ["normalised", "归一化"],
  traceSwitch: ["switched", "开关"],
  traceValue: ["value", "值"],
  traceEngine: ["the network has", "网络的值"],
  whyOperator: [
    "{op} is not taken apart: the page knows no formula of single numbers for it.",
    "不拆解 {op}：本页没有它的逐数公式。",
  ],
  whyStep: [
    "Not taken apart: {op} follows in this map, and the page knows no formula for it.",
    "不拆解：此图中随后有 {op}，本页没有它的公式。",
  ],
  whyOperands: [
    "This {op} is not taken apart: what it reads is computed or lies otherwise than the page knows.",
    "不拆解此 {op}：它读取的数由网络算出，或其排列为本页所不识。",
  ],
  traceMean: ["μ, the mean of {count} numbers", "μ，{count} 个数的均值"],
  traceShares: ["Largest contributions", "最大的贡献"],
  traceRest: ["{count} others add up to {sum}", "其余 {count} 项之和为 {sum}"],
  zoomIn: ["larger", "放大"],
  zoomOut: ["smaller", "缩小"],
  zoomFit: ["Fit", "适应窗口"],
  graphHint: [
    "drag to move, Ctrl and wheel to zoom, a card chooses its layer",
    "拖动平移，Ctrl 加滚轮缩放，点卡片选择层",
  ],

  // spine: the self-check
  checkPassed: ["self-check {difference}", "自检 {difference}"],
  damaged: [
    "Stopped: this file is damaged. Ask for it again.",
    "已停止：此文件已损坏，请重新获取。",
  ],
  checkFailed: [
    "Stopped: this browser computes something else than the network that was put in this page. The largest difference is {difference}, in {layer}.",
    "已停止：浏览器的计算结果与页面所含网络不一致。最大差异为 {difference}，位于 {layer}。",
  ],

  noWebAssembly: [
    "This page runs a network as WebAssembly, which is turned off in this browser, as in the lockdown mode of Apple's devices.",
    "本页以 WebAssembly 运行网络，而此浏览器已关闭 WebAssembly（例如 Apple 设备的锁定模式）。",
  ],
  noMemory: [
    "Stopped: this browser has not enough memory for the network.",
    "已停止：此浏览器没有足够的内存运行该网络。",
  ],

  // shell: the bar, the panels' titles
  skip: ["Skip to the feature maps", "跳到特征图"],
  facts: [
    "{parameters} parameters · {operations} multiply-adds",
    "{parameters} 个参数 · {operations} 次乘加",
  ],
  freeze: ["Freeze", "冻结"],
  freezeTitle: [
    "The mouse no longer moves the unit that is traced (f)",
    "鼠标不再移动所追踪的单元（f）",
  ],
  otherLanguage: ["中文", "English"],
  languageTitle: ["用中文显示", "Show in English"],
  themeAuto: ["Auto", "自动"],
  themeLight: ["Light", "浅色"],
  themeDark: ["Dark", "深色"],
  themeTitle: ["Theme: as the system has it, light, dark", "主题：跟随系统、浅色、深色"],
  panes: ["More views", "更多视图"],
  inputTitle: ["Input", "输入"],
  scoresTitle: ["Scores", "得分"],
  mapsTitle: ["Feature maps", "特征图"],
  traceTitle: ["How this number comes about", "这个数是怎么来的"],
  lookTitle: ["What it looks at", "它在看什么"],
  graphTitle: ["Graph", "计算图"],
  labTitle: ["Convolution lab", "卷积实验室"],
  storyTitle: ["X or O", "X 还是 O"],
  learnTitle: ["Watch it learn", "看它学习"],

  // shell: scores
  reads: ["{name}, {share}", "{name}，{share}"],
  readsNothing: ["nothing yet", "尚无结果"],
  readsNone: ["none", "无"],
  readsTied: ["undecided", "未定"],
  readsEqual: ["{count} classes with {share} each", "{count} 个类各为 {share}"],
  scoresMap: ["The output is a map: the last one below.", "输出是一张图：下面的最后一层。"],
  run: ["Run", "运行"],
  spent: ["network {time} ms", "网络用时 {time} 毫秒"],

  // shell: keys
  keyHelp: ["Keys (?)", "按键（?）"],
  keySearch: ["Search a layer (/)", "查找层（/）"],
  keysTitle: ["Keys", "按键"],
  keyArrows: ["move the unit", "移动单元"],
  keyShift: ["another channel", "换一个通道"],
  keyLayers: ["the layer before, the layer after", "上一层、下一层"],
  keyFreeze: ["freeze the unit: the mouse no longer moves it", "冻结单元：鼠标不再移动它"],
  keyRule: [
    "next rule of the way back: plain, guided, deconvolution",
    "下一种反向规则：普通、导向、反卷积",
  ],
  keyGamma: ["show small numbers stronger", "让小的数更明显"],
  keyPin: ["pin the unit, or take the pin off", "固定或取消固定单元"],
  keyOverlay: ["next overlay", "下一种叠加图"],
  keySwitch: ["switch the channel of the unit off or on", "关闭或打开单元所在的通道"],
  keyFind: ["search a layer", "查找层"],
  keySheet: ["this sheet", "本说明"],
  keyEscape: ["close, unfreeze, take all pins off", "关闭、解冻、取消全部固定"],
  close: ["Close", "关闭"],
  searchLabel: ["Layer, or layer:channel", "层，或 层:通道"],
  searchNone: ["no layer is called that", "没有这样的层"],
  atUnit: [
    "{layer}, channel {channel}, row {y}, column {x}: {value}",
    "{layer}，通道 {channel}，第 {y} 行第 {x} 列：{value}",
  ],
  atLayer: ["Layer {layer}", "层 {layer}"],
  ruleIs: ["Way back: {rule}", "反向规则：{rule}"],
  frozenOn: ["Frozen", "已冻结"],
  frozenOff: ["No longer frozen", "已解冻"],

  // input: drawing, what the network sees, sources
  drawLabel: ["Drawing surface", "绘图区"],
  drawHelp: [
    "Arrows move the pen, with shift by four; space puts it down and lifts it; e erases, Delete clears, z undoes, y redoes.",
    "方向键移动画笔，按住 Shift 时移动四格；空格键落笔与抬笔；e 切换橡皮，Delete 清空，z 撤销，y 重做。",
  ],
  pen: ["Pen", "画笔"],
  eraser: ["Eraser", "橡皮"],
  undo: ["Undo (z)", "撤销（z）"],
  redo: ["Redo (y)", "重做（y）"],
  clear: ["Clear", "清空"],
  width: ["Width", "粗细"],
  colour: ["Colour of the pen", "画笔颜色"],
  sees: ["What the network sees", "网络所见"],
  asTrained: ["Scale and centre strokes", "缩放并居中笔画"],
  seesFacts: [
    "{size}, ink {tall} × {wide}, centre of mass ({x}, {y})",
    "{size}，墨迹 {tall} × {wide}，质心（{x}，{y}）",
  ],
  samples: ["Samples", "样本"],
  sampleNumber: ["sample {number}", "样本 {number}"],
  open: ["Open…", "打开…"],
  camera: ["Camera", "摄像头"],
  cameraStop: ["Stop the camera", "停止摄像头"],
  dropHint: ["or drop or paste a picture", "也可拖放或粘贴图片"],
  noPicture: ["{name} is no picture ({type}).", "{name} 不是图片（{type}）。"],
  noSize: ["{name} has no size of its own; save it as PNG.", "{name} 没有自身尺寸，请另存为 PNG。"],
  unreadablePicture: [
    "{name} is no picture that this browser reads.",
    "此浏览器无法读取图片 {name}。",
  ],
  droppedNoFile: [
    "Only files can be dropped here: save the picture first.",
    "只能拖放文件：请先保存图片。",
  ],
  pastedNoPicture: ["There is no picture in the clipboard.", "剪贴板中没有图片。"],
  cameraDenied: [
    "The camera is not allowed for this page: allow it in the browser's settings.",
    "此页面未获准使用摄像头：请在浏览器设置中允许。",
  ],
  cameraNone: ["No camera was found.", "未找到摄像头。"],
  cameraBusy: ["The camera is in use by another program.", "摄像头正被其他程序占用。"],
  cameraFailed: ["The camera does not start: {name}.", "摄像头无法启动：{name}。"],
  disturb: ["Noise, shift, rotation", "噪声、平移、旋转"],
  noise: ["Noise", "噪声"],
  shiftX: ["Right", "右移"],
  shiftY: ["Down", "下移"],
  rotate: ["Rotate", "旋转"],
  resetDisturbance: ["Reset", "复位"],
  newNoise: ["Other noise", "换噪声"],

  // look: evidence over the image
  overlayTitle: ["Where the evidence is", "依据在哪里"],
  overlay_none: ["None", "无"],
  overlay_occlusion: ["Occlusion", "遮挡"],
  overlay_cam: ["Grad-CAM", "Grad-CAM"],
  overlay_gradient: ["Gradient", "梯度"],
  target: ["Asked about", "所问的类"],
  predicted: ["The predicted class", "预测的类"],
  tracedUnit: ["The unit that is looked at", "所看的单元"],
  camLayer: ["Layer", "层"],
  rule: ["Rule of the way back", "反向规则"],
  rule_plain: ["Gradient", "梯度"],
  rule_guided: ["Guided backpropagation", "导向反向传播"],
  rule_deconv: ["Deconvolution", "反卷积"],
  patch: ["Patch", "遮挡块"],
  coverMean: ["Cover with the mean", "用均值遮挡"],
  allPlaces: ["Map of all places", "全部位置的图"],
  percentDone: ["{share} % done", "已完成 {share} %"],
  opacity: ["Opacity", "不透明度"],
  means_occlusion: [
    "How far the probability of {of} falls where the patch covers: red falls, blue rises.",
    "遮挡后 {of} 的概率下降多少：红为下降，蓝为上升。",
  ],
  means_cam: ["Where the maps speak for {of}.", "特征图在何处支持 {of}。"],
  means_gradient: [
    "{of} grows with brighter pixels (red), with darker ones (blue).",
    "像素变亮时 {of} 增大（红），变暗时增大（蓝）。",
  ],
  occlusionFlat: ["No patch of this size changes {of}.", "此大小的遮挡块不改变 {of}。"],
  brushHelp: [
    "The image; the mouse or the arrows move a patch that covers it",
    "图像；用鼠标或方向键移动遮挡块",
  ],
  uncovered: [
    "{name}: {share}. Move over the image to cover a part of it.",
    "{name}：{share}。在图像上移动以遮住一部分。",
  ],
  coveredTo: ["{name}: {before} → {share}", "{name}：{before} → {share}"],
  noUnit: ["No unit is looked at yet: point at a feature map.", "尚未选择单元：请指向一个特征图。"],
  noClasses: [
    "This network has no scores of classes; the gradient can be asked about a unit.",
    "该网络没有类别得分；可对单元求梯度。",
  ],
  camNone: [
    "Grad-CAM needs a layer with maps; this network has none.",
    "Grad-CAM 需要有特征图的层，而该网络没有。",
  ],
  camClass: [
    "Grad-CAM is asked about a class; for a unit there is the gradient.",
    "Grad-CAM 针对类别；单元请用梯度。",
  ],
  camAgainst: [
    "No place of {layer} speaks for {of}: ask about another class, or another layer.",
    "{layer} 中没有支持 {of} 的位置：请换一个类或一个层。",
  ],
  ruleNone: [
    "This network has nothing that the rule applies to: {rule}.",
    "该网络没有适用此规则之处：{rule}。",
  ],
  mapNotFinite: [
    "The map of {of} is not finite (at {layer}), so there is nothing to show.",
    "{of} 的图含非有限数（{layer}），无法显示。",
  ],
  mapZero: [
    "The map of {of} is 0 everywhere: no gradient passes {layer}.",
    "{of} 的图处处为 0：没有梯度通过 {layer}。",
  ],
  mapConstant: [
    "The map of {of} is the same everywhere: it tells no place of {layer} from another.",
    "{of} 的图处处相同：无法区分 {layer} 的位置。",
  ],

  // look: growing an image, switching channels
  growTitle: ["The image that excites it most", "最能激活它的图像"],
  growStart: ["Grow", "生长"],
  growStop: ["Stop", "停止"],
  growChannel: ["Whole channel", "整个通道"],
  growAgain: ["New start", "换起点"],
  growUse: ["As input", "作输入"],
  growScore: ["{of}: {first} → {last} after {steps} steps", "{of}：{steps} 步后 {first} → {last}"],
  growWhole: [
    "The mean of its map is made large, from noise.",
    "从噪声开始，使其特征图的均值增大。",
  ],
  growOne: [
    "This one number of its map is made large, from noise.",
    "从噪声开始，使特征图中这一个数增大。",
  ],
  growSampled: [
    "It began from a sample: from noise no gradient reaches the image.",
    "它从一个样本开始：从噪声出发没有梯度到达图像。",
  ],
  growWithout: ["It grows without what is switched off.", "它在不使用已关闭通道的情况下生长。"],
  unitOff: ["{of} is switched off: nothing excites it.", "{of} 已关闭：没有什么能激活它。"],
  growDead: [
    "{of} seems dead: no gradient reaches the image, neither from {starts} starts of noise nor from a sample.",
    "{of} 似乎已失活：无论从 {starts} 个噪声起点还是样本出发，都没有梯度到达图像。",
  ],
  switchTitle: ["Switch channels off", "关闭通道"],
  switchHelp: [
    "What follows computes without them. Key x switches the channel that is looked at.",
    "其后各层不再使用它们。按 x 键开关所看的通道。",
  ],
  switchLayer: ["Layer", "层"],
  switchChannels: ["Channels of the layer", "该层的通道"],
  switchChannel: ["Channel", "通道"],
  switchOne: ["Off or on", "关／开"],
  switchNone: ["Nothing is off.", "没有关闭任何通道。"],
  switchReset: ["All on", "全部打开"],
  switchBack: ["Switch it on again", "重新打开"],
  switchClass: ["Class", "类"],
  switchBefore: ["All on", "全部打开"],
  switchAfter: ["Now", "现在"],
  isOff: ["{layer}:{channel} is off", "{layer}:{channel} 已关闭"],
  isOn: ["{layer}:{channel} is on", "{layer}:{channel} 已打开"],
};

/**
 * What a key says in a language, with its values; a key without words says itself.
 * @param {"en" | "zh"} language
 * @param {string} key
 * @param {{ [name: string]: string | number }} values
 */
export function wordsOf(language, key, values = {}) {
  const pair = WORDS[key];
  if (!pair) return key;
  const text = pair[language === "zh" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (whole, name) =>
    name in values ? String(values[name]) : whole,
  );
}
