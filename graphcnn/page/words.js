// Every string that people read, in English and Chinese: a line a key, `{name}` is a value.
// @ts-check

/** @type {{ [key: string]: [string, string] }} */
export const WORDS = {
  // shell: the bar, the panels' titles
  skip: ["Skip to the feature maps", "跳到特征图"],
  facts: ["{parameters} parameters · {operations} multiply-adds", "{parameters} 个参数 · {operations} 次乘加"],
  freeze: ["Freeze", "冻结"],
  freezeTitle: ["The mouse no longer moves the unit that is traced (f)", "鼠标不再移动所追踪的单元（f）"],
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
  lookTitle: ["What it looks for", "它在找什么"],
  graphTitle: ["Graph", "计算图"],
  labTitle: ["Convolution lab", "卷积实验室"],
  storyTitle: ["X or O", "X 还是 O"],
  learnTitle: ["Watch it learn", "看它学习"],
  failed: ["The page stopped: {message}", "页面已停止：{message}"],
  unreadable: ["The address holds a state that does not belong to this network: {message}", "地址中的状态不属于这个网络：{message}"],

  // shell: scores
  reads: ["{name}, {share}", "{name}，{share}"],
  readsNothing: ["nothing yet", "尚无结果"],
  run: ["Run", "运行"],
  spent: ["network {time} ms", "网络用时 {time} 毫秒"],
  scoreOf: ["{name}: {share}", "{name}：{share}"],
  others: ["{count} more classes share {share}", "其余 {count} 类共占 {share}"],

  // shell: keys
  keyHelp: ["Keys (?)", "按键（?）"],
  keySearch: ["Search a layer (/)", "查找层（/）"],
  keysTitle: ["Keys", "按键"],
  keyArrows: ["move the unit", "移动单元"],
  keyShift: ["another channel", "换一个通道"],
  keyLayers: ["the layer before, the layer after", "上一层、下一层"],
  keyFreeze: ["freeze the unit: the mouse no longer moves it", "冻结单元：鼠标不再移动它"],
  keyRule: ["next rule of the way back: plain, guided, deconvolution", "下一种反向规则：普通、导向、反卷积"],
  keyGamma: ["show small numbers stronger", "让小的数更明显"],
  keyPin: ["pin the unit, or take the pin off", "固定或取消固定单元"],
  keyOverlay: ["next overlay", "下一种叠加图"],
  keyFind: ["search a layer", "查找层"],
  keySheet: ["this sheet", "本说明"],
  keyEscape: ["close, unfreeze, take all pins off", "关闭、解冻、取消全部固定"],
  close: ["Close", "关闭"],
  searchLabel: ["Layer, or layer:channel", "层，或 层:通道"],
  searchNone: ["no layer is called that", "没有这样的层"],
  atUnit: ["{layer}, channel {channel}, row {y}, column {x}: {value}", "{layer}，通道 {channel}，第 {y} 行第 {x} 列：{value}"],
  atLayer: ["Layer {layer}", "层 {layer}"],
  ruleIs: ["Way back: {rule}", "反向规则：{rule}"],
  frozenOn: ["Frozen", "已冻结"],
  frozenOff: ["No longer frozen", "已解冻"],
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
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
