"""The closed vocabulary of the wire formats: names of fields, and those whose values are identifiers rather than texts.

A key outside `NAMES` was chosen by whoever wrote the message, so it is judged like a value. A value of an identifier field
passes unjudged only where it looks like an identifier.
"""

from __future__ import annotations

import re

_IDENTIFIER_FIELDS = """
id object model role type index created finish_reason native_finish_reason stop_reason matched_stop system_fingerprint
service_tier tool_call_id call_id request_id code status severity provider reasoning_effort verbosity modalities format detail
voice encoding_format truncation obfuscation ttl
"""
_REQUEST_FIELDS = """
messages content name refusal reasoning reasoning_content reasoning_details thinking signature text parts tool_calls
function_call function functions tools tool_choice arguments custom input output parallel_tool_calls grammar definition syntax
strict image_url url input_audio audio data transcript expires_at file file_id file_data filename cache_control prompt suffix echo
best_of stop user safety_identifier prompt_cache_key prompt_cache_retention metadata store seed n temperature top_p top_k min_p
typical_p presence_penalty frequency_penalty repetition_penalty max_tokens min_tokens max_completion_tokens max_new_tokens
logprobs top_logprobs logit_bias stream stream_options include_usage include_obfuscation response_format json_schema schema
prediction web_search_options user_location approximate search_context_size inputs parameters details ignore_eos
image mask background moderation output_format output_compression partial_images partial_image_index quality size style
input_fidelity skip_special_tokens guided_json guided_regex guided_choice chat_template_kwargs extra_body include_reasoning
keep_alive options think
"""
_SCHEMA_KEYWORDS = """
$schema $ref $defs definitions properties items required enum const default description title additionalProperties
patternProperties anyOf oneOf allOf not minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems
uniqueItems multipleOf pattern examples nullable
"""
_ANSWER_FIELDS = """
choices message delta usage annotations url_citation start_index end_index citations search_results images error param
prompt_tokens completion_tokens total_tokens input_tokens output_tokens prompt_tokens_details completion_tokens_details
cached_tokens audio_tokens image_tokens text_tokens reasoning_tokens accepted_prediction_tokens rejected_prediction_tokens
prompt_cache_hit_tokens prompt_cache_miss_tokens cache_write_tokens cost cost_details is_byok upstream_inference_cost queue_time
prompt_time completion_time total_time num_search_queries citation_tokens token tokens token_ids prompt_token_ids prompt_logprobs
token_logprobs text_offset bytes logprob content_filter_results prompt_filter_results content_filter_offsets prompt_index
prompt_annotations content_filter_result hate sexual violence self_harm profanity jailbreak protected_material_text
protected_material_code filtered detected custom_blocklists check_offset start_offset end_offset x_groq usage_breakdown
perf_metrics kv_transfer_params timings cache_n prompt_n prompt_ms prompt_per_token_ms prompt_per_second predicted_n predicted_ms
predicted_per_token_ms predicted_per_second special generated_text finish_details generated_tokens prefill best_of_sequences
top_tokens response done done_reason created_at context total_duration load_duration prompt_eval_count prompt_eval_duration
eval_count eval_duration b64_json revised_prompt input_tokens_details output_tokens_details
"""

IDENTIFIERS = frozenset(_IDENTIFIER_FIELDS.split())
"""Fields whose value passes where it has the shape of an identifier."""
NAMES = IDENTIFIERS.union(_REQUEST_FIELDS.split(), _SCHEMA_KEYWORDS.split(), _ANSWER_FIELDS.split())
"""Every key that the formats or their common dialects define: OpenAI's reference, and what Azure, vLLM, Groq, OpenRouter,
DeepSeek, llama.cpp, TGI and Ollama add; with the keywords of JSON Schema."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/@-]{1,128}")
_MEDIA_FIELDS = frozenset(("url", "image", "image_url", "video_url", "audio_url", "file_data"))
_TOKEN_ID = re.compile(r"[0-9]{1,7}")
_MEDIA_URL = re.compile(r"data:(?:(?:image|audio|video)/[a-z0-9.+-]{1,40}|application/pdf);base64,[A-Za-z0-9+/_=\r\n-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\r\n-]{256,}")


def is_name(key: str) -> bool:
    """Return whether `key` is a format's own: a field of the vocabulary, or a token id as in `logit_bias`."""
    return key in NAMES or _TOKEN_ID.fullmatch(key) is not None


def is_identifier(text: str) -> bool:
    """Return whether `text` has the shape of an identifier: at most 128 letters, digits and a few signs, no spaces."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_media(field: str, text: str) -> bool:
    """Return whether `text` is an image, a sound, a video or a PDF inlined in a field that takes one."""
    if field == "b64_json":
        return is_sound(text)
    return field in _MEDIA_FIELDS and _MEDIA_URL.fullmatch(text) is not None


def is_sound(text: str) -> bool:
    """Return whether `text` can be inlined sound, or an image: base64, and longer than any text that should be read as one."""
    return _BASE64.fullmatch(text) is not None


def public_pointer(pointer: str) -> str:
    """Return `pointer` with every segment that may be somebody's words replaced by `*`, fit for logs and audit."""
    return "#".join("/".join(map(_public, part.split("/"))) for part in pointer.split("#"))


def _public(segment: str) -> str:
    return segment if not segment or is_name(segment.removesuffix("~")) else "*"
