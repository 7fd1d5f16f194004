extension ChatTemplate {
  /// The names and texts of the built-in templates.
  public static let builtins: [(name: String, text: String)] = [
    ("alpaca", alpaca), ("chatml", chatML), ("exaone", exaone), ("llama3", llama3),
    ("mistral", mistral),
  ]

  /// Stanford Alpaca: a heading for each turn.
  private static let alpaca = """
    {%- for message in messages -%}
      {%- if message['role'] == 'system' -%}
        {{- message['content'] | trim + '\\n\\n' -}}
      {%- elif message['role'] == 'user' -%}
        {{- '### Instruction:\\n' + message['content'] | trim + '\\n\\n' -}}
      {%- elif message['role'] == 'assistant' -%}
        {{- '### Response:\\n' + message['content'] | trim + eos_token + '\\n\\n' -}}
      {%- endif -%}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
      {{- '### Response:\\n' -}}
    {%- endif -%}
    """

  /// ChatML: each turn between two markers, the role on the first line.
  private static let chatML = """
    {%- for message in messages -%}
      {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
      {{- '<|im_start|>assistant\\n' -}}
    {%- endif -%}
    """

  /// EXAONE: roles in brackets, an empty system turn when there is none.
  private static let exaone = """
    {%- if messages and messages[0]['role'] != 'system' -%}
      {{- '[|system|][|endofturn|]\\n' -}}
    {%- endif -%}
    {%- for message in messages -%}
      {{- '[|' + message['role'] + '|]' + message['content'] -}}
      {%- if message['role'] == 'user' -%}
        {{- '\\n' -}}
      {%- else -%}
        {{- '[|endofturn|]\\n' -}}
      {%- endif -%}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
      {{- '[|assistant|]' -}}
    {%- endif -%}
    """

  /// Llama 3: a header with the role before each turn.
  private static let llama3 = """
    {{- bos_token -}}
    {%- for message in messages -%}
      {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}
      {{- message['content'] | trim + '<|eot_id|>' -}}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
      {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
    {%- endif -%}
    """

  /// Mistral Instruct: the user's turns in brackets, the system's text before the first of them.
  private static let mistral = """
    {%- set prefix = namespace(text='') -%}
    {{- bos_token -}}
    {%- for message in messages -%}
      {%- if message['role'] == 'system' -%}
        {%- set prefix.text = message['content'] | trim + '\\n\\n' -%}
      {%- elif message['role'] == 'user' -%}
        {{- '[INST] ' + prefix.text + message['content'] | trim + ' [/INST]' -}}
        {%- set prefix.text = '' -%}
      {%- elif message['role'] == 'assistant' -%}
        {{- ' ' + message['content'] | trim + eos_token -}}
      {%- endif -%}
    {%- endfor -%}
    """
}
