package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// litellmModel is one model of LiteLLM's list, its name taken apart.
type litellmModel struct {
	key, provider, name, region string
	mode, deprecated            string
	costs                       map[place]map[string]int64
	uplift                      map[string]*big.Rat // region → factor on every rate
	fault                       string
}

// place is a mode and context tier.
type place struct {
	mode  price.Mode
	above int64
}

// providers maps LiteLLM's provider names to ours.
var providers = map[string]string{
	"openai": "openai", "azure": "azure", "anthropic": "anthropic", "gemini": "gemini",
	"bedrock": "bedrock", "bedrock_converse": "bedrock",
	"vertex_ai-language-models": "vertex", "vertex_ai-anthropic_models": "vertex", "vertex_ai-embedding-models": "vertex",
}

// classes maps LiteLLM's cost fields, without their suffixes, to token classes.
var classes = map[string]price.Class{
	"input_cost_per_token":                      price.Input,
	"cache_read_input_token_cost":               price.CacheRead,
	"cache_creation_input_token_cost":           price.CacheWrite5m,
	"cache_creation_input_token_cost_above_1hr": price.CacheWrite1h,
	"input_cost_per_audio_token":                price.InputAudio,
	"input_cost_per_image_token":                price.InputImage,
	"output_cost_per_token":                     price.Output,
	"output_cost_per_reasoning_token":           price.Reasoning,
	"output_cost_per_audio_token":               price.OutputAudio,
}

// costField takes a field apart: class, tier in thousands of tokens, mode.
var costField = regexp.MustCompile(`^(.+?)(?:_above_(\d+)k_tokens)?(?:_(priority|flex|batches))?$`)

var modes = map[string]price.Mode{"": price.Standard, "priority": price.Priority, "flex": price.Flex, "batches": price.Batch}

func readLiteLLM(path string) ([]litellmModel, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var list map[string]map[string]any
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	delete(list, "sample_spec")
	var models []litellmModel
	for _, key := range slices.Sorted(maps.Keys(list)) {
		fields := list[key]
		provider, _ := fields["litellm_provider"].(string)
		if providers[provider] == "" {
			continue
		}
		model := litellmModel{key: key, provider: providers[provider], costs: map[place]map[string]int64{}, uplift: map[string]*big.Rat{}}
		model.name, model.region = splitKey(key)
		model.mode, _ = fields["mode"].(string)
		model.deprecated, _ = fields["deprecation_date"].(string)
		model.read(fields)
		models = append(models, model)
	}
	return models, nil
}

// splitKey takes LiteLLM's prefixes off a name; some of them are regions.
func splitKey(key string) (name, region string) {
	parts := strings.Split(key, "/")
	name = parts[len(parts)-1]
	if len(parts) == 3 && (parts[0] == "azure" || parts[0] == "bedrock") {
		region = parts[1]
	}
	if region == "global-standard" {
		region = "global"
	}
	return name, region
}

func (m *litellmModel) read(fields map[string]any) {
	for field, value := range fields {
		number, ok := value.(json.Number)
		if !ok {
			continue
		}
		if region, ok := strings.CutPrefix(field, "regional_processing_uplift_multiplier_"); ok {
			m.uplift[region], _ = new(big.Rat).SetString(number.String())
			continue
		}
		match := costField.FindStringSubmatch(field)
		class, ok := classes[match[1]]
		if !ok {
			continue
		}
		nano, err := nanoPerMillion(number.String(), 15)
		if err != nil {
			m.fault = field + ": " + err.Error()
			continue
		}
		thousands, _ := strconv.ParseInt("0"+match[2], 10, 64)
		at := place{modes[match[3]], thousands * 1000}
		if m.costs[at] == nil {
			m.costs[at] = map[string]int64{}
		}
		m.costs[at][class.String()] = nano
	}
}

// nanoPerMillion reads a decimal number times a power of ten as an exact integer.
func nanoPerMillion(text string, power int64) (int64, error) {
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, fmt.Errorf("%q is no finite number", text)
	}
	return exact(value.Mul(value, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(power), nil))))
}

func exact(value *big.Rat) (int64, error) {
	if value.Sign() < 0 {
		return 0, fmt.Errorf("%s is negative", value.RatString())
	}
	if !value.IsInt() || !value.Num().IsInt64() {
		return 0, fmt.Errorf("%s is no whole number of nano-USD per million", value.FloatString(6))
	}
	return value.Num().Int64(), nil
}

// scaled is rate × numerator ÷ denominator where that is a whole number.
func scaled(rate, numerator, denominator int64) (int64, error) {
	if denominator == 0 {
		return 0, fmt.Errorf("nothing to scale by")
	}
	factor := big.NewRat(numerator, denominator)
	return exact(factor.Mul(factor, new(big.Rat).SetInt64(rate)))
}

// rows orders the costs and makes every tier complete.
func (m *litellmModel) rows() []price.Row {
	m.deriveTiers()
	places := slices.SortedFunc(maps.Keys(m.costs), func(a, b place) int {
		if a.mode != b.mode {
			return modeOrder(a.mode) - modeOrder(b.mode)
		}
		return int(a.above - b.above)
	})
	var rows []price.Row
	for _, at := range places {
		rates := m.costs[at]
		base := m.costs[place{at.mode, 0}]
		if at.above > 0 && base == nil {
			continue // a tier of a mode whose ordinary price is not listed cannot be used
		}
		if rates["input"] == 0 && rates["output"] == 0 {
			continue
		}
		if at.above > 0 {
			completeTier(rates, base)
		}
		row := price.Row{Mode: at.mode, Above: at.above, Nano: rates}
		if at.mode == price.Standard {
			row.Mode = ""
		}
		rows = append(rows, row)
	}
	return rows
}

// completeTier raises a class that the tier does not list as much as its input
// is raised; thinking goes with output. A class that the ordinary price does
// not list is a mistake in the list.
func completeTier(rates, base map[string]int64) {
	for class := range rates {
		if _, ok := base[class]; !ok {
			delete(rates, class)
		}
	}
	for class := range base {
		if class == price.Reasoning.String() {
			continue
		}
		if _, ok := rates[class]; !ok {
			carryClass(rates, base, class)
		}
	}
}

// deriveTiers gives batch and flex the tiers of standard where the list has
// none: OpenAI raises all three by the same factors.
func (m *litellmModel) deriveTiers() {
	if m.provider != "openai" && m.provider != "azure" {
		return
	}
	for at, tier := range maps.Clone(m.costs) {
		if at.mode != price.Standard || at.above == 0 {
			continue
		}
		for _, mode := range []price.Mode{price.Batch, price.Flex} {
			ordinary, known := m.costs[place{mode, 0}], m.costs[place{mode, at.above}]
			if ordinary == nil || known != nil {
				continue
			}
			derived := map[string]int64{}
			for class, rate := range ordinary {
				if raised, err := scaled(rate, tier[class], m.costs[place{price.Standard, 0}][class]); err == nil {
					derived[class] = raised
				}
			}
			m.costs[place{mode, at.above}] = derived
		}
	}
}

func modeOrder(mode price.Mode) int {
	return slices.Index([]price.Mode{price.Standard, price.Batch, price.Flex, price.Priority}, mode)
}

// regional makes the entries of regions that multiply every rate.
func (m *litellmModel) regional(base price.Entry) []price.Entry {
	var entries []price.Entry
	for _, region := range slices.Sorted(maps.Keys(m.uplift)) {
		entry := base
		entry.Region, entry.Rows, entry.Disputed = region, nil, ""
		for _, row := range base.Rows {
			raised := price.Row{Mode: row.Mode, Above: row.Above, Nano: map[string]int64{}}
			for class, rate := range row.Nano {
				product := new(big.Rat).Mul(new(big.Rat).SetInt64(rate), m.uplift[region])
				nano, err := exact(product)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s in %s: %s: %v\n", m.key, region, class, err)
					continue
				}
				raised.Nano[class] = nano
			}
			entry.Rows = append(entry.Rows, raised)
		}
		entries = append(entries, entry)
	}
	return entries
}
