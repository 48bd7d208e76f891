// What the panes that teach say, in English and Chinese: a line a key, `{name}` is a value.
// @ts-check

/** @type {{ [key: string]: [string, string] }} */
export const LESSON_WORDS = {
  // the convolution lab
  source: ["Image", "图像"],
  sourceX: ["an X", "一个 X"],
  sourceO: ["an O", "一个 O"],
  sourceInput: ["the input above", "上面的输入"],
  kernelName: ["Kernel", "卷积核"],
  kernelVertical: ["vertical edges", "竖直边缘"],
  kernelHorizontal: ["horizontal edges", "水平边缘"],
  kernelFalling: ["falling stroke", "下降笔画"],
  kernelBlur: ["mean", "均值"],
  kernelSpot: ["spots", "斑点"],
  kernelOne: ["the pixel itself", "像素本身"],
  kernel: ["size k", "大小 k"],
  stride: ["stride s", "步幅 s"],
  padding: ["padding p", "填充 p"],
  dilation: ["dilation d", "膨胀 d"],
  channels: ["channels", "通道"],
  groups: ["groups g", "分组 g"],
  transposed: ["transposed", "转置"],
  filter: ["filter", "滤波器"],
  filters: ["Filter that is shown", "所显示的滤波器"],
  labInput: ["Image", "图像"],
  labStep: ["Window × kernel = products", "窗口 × 卷积核 = 乘积"],
  labSize: ["Size of the output", "输出大小"],
  labOutput: ["Output", "输出"],
  labChannels: [
    "{size}, channels: {count}, this filter reads {seen}",
    "{size}，通道数 {count}，此滤波器读取 {seen}",
  ],
  labFilters: ["{size}, filter {filter} of {count}", "{size}，滤波器 {filter} / {count}"],
  labImpossible: ["the window is larger than the image", "窗口比图像大"],
  labSum: ["their sum: {value}", "乘积之和：{value}"],
  labSums: ["the sum over {count} channels: {value}", "{count} 个通道之和：{value}"],
  labStamp: [
    "the pixel {value} stamps the kernel on the output, where stamps overlap they add up",
    "像素 {value} 把卷积核印在输出上，重叠处相加",
  ],
  labPlace: ["row {y}, column {x}: {value}", "第 {y} 行第 {x} 列：{value}"],
  position: ["position", "位置"],
  speed: ["speed", "速度"],
  play: ["Play", "播放"],
  pause: ["Pause", "暂停"],
  back: ["one step back", "后退一步"],
  forth: ["one step on", "前进一步"],

  // watch it learn
  learnLead: [
    "A network of one convolution, pooling and a dense layer starts from random numbers. Each step shows it {batch} new pictures, computes the gradient of the loss and changes its weights a little: the same compiled training step that graphcnn trains with.",
    "一个由卷积、池化和全连接层组成的网络从随机数开始。每一步看 {batch} 幅新图像，计算损失的梯度，并稍微改变权重：与 graphcnn 训练时所用的编译训练步骤相同。",
  ],
  learnWaits: ["The network is unpacked …", "正在解包网络 …"],
  start: ["Start", "开始"],
  oneStep: ["One step", "一步"],
  restart: ["Reset", "重置"],
  pace: ["steps a frame", "每帧步数"],
  seed: ["seed", "种子"],
  learnLoss: ["Loss, and right answers in green", "损失，绿色为正确率"],
  learnFilters: ["Its filters", "它的滤波器"],
  learnExam: ["Pictures that it never learns from", "从未学过的图像"],
  learnNumbers: [
    "step {steps} · loss {loss} · {share} right",
    "第 {steps} 步 · 损失 {loss} · 正确率 {share}",
  ],

  // X or O
  storyLead: [
    "A convolutional network never compares whole pictures. It looks for small features everywhere and asks where they were found. Draw in the picture, or move it, and see what stays.",
    "卷积网络从不比较整幅图像：它到处寻找小特征，再看它们出现在哪里。在图中画画或移动它，看看什么保持不变。",
  ],
  storyPicture: ["1 The picture", "1 图像"],
  storyFeature: ["2 A feature slides over it", "2 特征在上面滑动"],
  storyRest: ["3 Pooled answers", "3 池化后的响应"],
  storyVotes: ["4 The votes", "4 投票"],
  storyPixels: ["Without features: pixel by pixel", "没有特征：逐像素比较"],
  storyHint: [
    "click or drag to change pixels; keys: arrows and space",
    "点击或拖动改变像素；按键：方向键与空格",
  ],
  storyMean: [
    "at row {y}, column {x} the nine products average {value}; 1 is a perfect match",
    "第 {y} 行第 {x} 列，九个乘积的平均值为 {value}；1 表示完全匹配",
  ],
  storyRestSays: [
    "Below 0 becomes 0, and of each 2×2 places the largest is kept: a feature that moved by a pixel mostly stays where it was.",
    "小于 0 的变为 0，每 2×2 个位置保留最大值：移动一个像素的特征大多仍在原处。",
  ],
  storyWinner: [
    "Each of X and O averages the answers that it listens to. The winner: {name}.",
    "X 和 O 各自对所听取的响应取平均。获胜者：{name}。",
  ],
  storyNobody: ["nobody", "无"],
  storyPixelsSays: [
    "The small X agrees with the plain X to .46, the O to .48: pixel by pixel the O would be the better X.",
    "小 X 与原来的 X 吻合度为 .46，而 O 为 .48：逐像素比较时 O 反而更像 X。",
  ],
  storyBoard: [
    "Picture of 9×9 pixels, row {y}, column {x}: {mark}. The votes say {name}.",
    "9×9 像素的图像，第 {y} 行第 {x} 列：{mark}。投票结果：{name}。",
  ],
  storyMove: ["Move the picture", "移动图像"],
  story_X: ["X", "X"],
  story_O: ["O", "O"],
  story_moved: ["moved", "移动"],
  story_bent: ["bent", "弯曲"],
  story_small: ["small", "缩小"],
  feature0: ["the falling stroke", "下降笔画"],
  feature1: ["the rising stroke", "上升笔画"],
  feature2: ["the crossing", "交叉"],
};
