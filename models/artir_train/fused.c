// The two operations that a training step on a CPU spends most of its time in, forward and backward:
// the depth-wise 3x3 convolution with the gate after it, and the layer norm over channels.
//
// Maps are channels last, [N, H, W, C], bf16 (the norm's input f32); sums are f32. A convolution's
// result is never stored: the backward pass computes it anew from the input, which is cheaper than
// to write and read it. 16 channels at a time, so that three rows of them stay in the first cache.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t half __attribute__((vector_size(2 * LANES), aligned(2)));

static inline vec widen(const uint16_t *p)
{
    return (vec)(__builtin_convertvector(*(const half *)p, uvec) << 16);
}

// Round to nearest, ties to even. Not for NaN, which a training step stops at anyway.
static inline void narrow(uint16_t *p, vec v)
{
    uvec bits = (uvec)v;
    *(half *)p = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, half);
}

static inline vec pick(ivec mask, vec yes, vec no)
{
    return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask));
}

// e^x for x <= 0, within 2e-7 of it; 0 below -87.
static inline vec exp_negative(vec x)
{
    x = pick(x < -87.0f, (vec){0} - 87.0f, x);
    ivec n = __builtin_convertvector(x * 1.44269504f - 0.5f, ivec);
    vec whole = __builtin_convertvector(n, vec);
    vec r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (vec)((n + 127) << 23);
}

// The normal distribution's Phi(a) and density; erf after Abramowitz and Stegun, 7.1.26 (1.5e-7).
static inline void normal(vec a, vec *cumulative, vec *density)
{
    vec bell = exp_negative(a * a * -0.5f);
    vec z = pick(a < 0.0f, -a, a) * 0.70710678f;
    vec t = 1.0f / (z * 0.3275911f + 1.0f);
    vec p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    vec tail = p * t * bell * 0.5f;
    *cumulative = pick(a < 0.0f, tail, 1.0f - tail);
    *density = bell * 0.39894228f;
}

// Rows of both halves' 16 channels, in f32, a pixel of zeros before and after.
typedef struct {
    int width;
    vec *row[3];
} Ring;

static size_t ring_vectors(int width) { return (size_t)3 * 2 * (width + 2); }

static Ring ring(vec *memory, int width)
{
    Ring r = {width, {memory, memory + 2 * (width + 2), memory + 4 * (width + 2)}};
    memset(memory, 0, ring_vectors(width) * sizeof(vec));
    return r;
}

static inline vec *ring_row(const Ring *r, int y) { return r->row[(y + 3) % 3]; }

// Row y of the map [H, W, 2 half] at channels c and half + c, or zeros outside of it.
static void load_row(const Ring *r, const uint16_t *map, int height, int half, int c, int y)
{
    vec *row = ring_row(r, y) + 2;
    if (y < 0 || y >= height) {
        memset(row, 0, (size_t)2 * r->width * sizeof(vec));
        return;
    }
    const uint16_t *from = map + (size_t)y * r->width * 2 * half + c;
    for (int x = 0; x < r->width; x++, from += 2 * half) {
        row[2 * x] = widen(from);
        row[2 * x + 1] = widen(from + half);
    }
}

typedef struct {
    vec tap[9], bias;
} Kernel;

// weight [2 half, 9] and bias [2 half] or NULL.
static Kernel kernel(const float *weight, const float *bias, int c)
{
    Kernel k = {0};
    for (int lane = 0; lane < LANES; lane++) {
        for (int t = 0; t < 9; t++)
            k.tap[t][lane] = weight[(c + lane) * 9 + t];
        k.bias[lane] = bias ? bias[c + lane] : 0.0f;
    }
    return k;
}

// The convolution of one half (0 or 1) at pixel x of the ring's row y.
static inline vec convolve(const Ring *r, const Kernel *k, int y, int x, int half)
{
    vec sum = k->bias;
    for (int dy = 0; dy < 3; dy++) {
        const vec *p = ring_row(r, y + dy - 1) + 2 * x + half;
        sum += p[0] * k->tap[3 * dy] + p[2] * k->tap[3 * dy + 1] + p[4] * k->tap[3 * dy + 2];
    }
    return sum;
}

// out [N, H, W, half] = act(conv(map)[.. half]) * conv(map)[half ..]; act is GELU or the identity.
void gated_forward(const uint16_t *map, const float *weight, const float *bias, uint16_t *out,
                   int n, int height, int width, int half, int gelu, int threads)
{
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int i = 0; i < n; i++)
        for (int c = 0; c < half; c += LANES) {
            const uint16_t *image = map + (size_t)i * height * width * 2 * half;
            vec *memory = aligned_alloc(64, ring_vectors(width) * sizeof(vec));
            Ring r = ring(memory, width);
            Kernel a = kernel(weight, bias, c), b = kernel(weight, bias, half + c);
            load_row(&r, image, height, half, c, 0);
            for (int y = 0; y < height; y++) {
                load_row(&r, image, height, half, c, y + 1);
                uint16_t *to = out + ((size_t)i * height + y) * width * half + c;
                for (int x = 0; x < width; x++, to += half) {
                    vec first = convolve(&r, &a, y, x, 0);
                    if (gelu) {
                        vec cumulative, density;
                        normal(first, &cumulative, &density);
                        first *= cumulative;
                    }
                    narrow(to, first * convolve(&r, &b, y, x, 1));
                }
            }
            free(memory);
        }
}

// From the gradient [N, H, W, half] of out: that of the map, and for each image that of every tap and
// bias, sums [N, 2 half, 10].
void gated_backward(const uint16_t *map, const float *weight, const float *bias,
                    const uint16_t *gradient, uint16_t *map_gradient, float *sums, int n,
                    int height, int width, int half, int gelu, int threads)
{
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int i = 0; i < n; i++)
        for (int c = 0; c < half; c += LANES) {
            const size_t image = (size_t)i * height * width * 2 * half;
            vec *memory = aligned_alloc(64, 2 * ring_vectors(width) * sizeof(vec));
            Ring r = ring(memory, width), d = ring(memory + ring_vectors(width), width);
            Kernel k[2] = {kernel(weight, bias, c), kernel(weight, bias, half + c)};
            vec total[2][10] = {0};
            load_row(&r, map + image, height, half, c, 0);
            for (int y = 0; y <= height; y++) {
                vec *row = ring_row(&d, y) + 2;
                if (y < height) {
                    load_row(&r, map + image, height, half, c, y + 1);
                    const uint16_t *from = gradient + ((size_t)i * height + y) * width * half + c;
                    for (int x = 0; x < width; x++, from += half) {
                        vec first = convolve(&r, &k[0], y, x, 0);
                        vec second = convolve(&r, &k[1], y, x, 1), g = widen(from);
                        vec slope = g * second, value = first;
                        if (gelu) {
                            vec cumulative, density;
                            normal(first, &cumulative, &density);
                            value = first * cumulative;
                            slope *= cumulative + first * density;
                        }
                        row[2 * x] = slope;
                        row[2 * x + 1] = g * value;
                    }
                    for (int h = 0; h < 2; h++) {
                        vec sum[10];
                        memcpy(sum, total[h], sizeof sum);
                        const vec *p[3];
                        for (int dy = 0; dy < 3; dy++)
                            p[dy] = ring_row(&r, y + dy - 1) + h;
                        for (int x = 0; x < 2 * width; x += 2) {
                            vec g = row[x + h];
                            for (int t = 0; t < 9; t++)
                                sum[t] += g * p[t / 3][x + 2 * (t % 3)];
                            sum[9] += g;
                        }
                        memcpy(total[h], sum, sizeof sum);
                    }
                } else {
                    memset(row, 0, (size_t)2 * width * sizeof(vec));
                }
                if (y == 0)
                    continue;
                // Row y - 1 of the map's gradient has all that it needs now: the taps turned round.
                uint16_t *to = map_gradient + image + (size_t)(y - 1) * width * 2 * half + c;
                const vec *p[3];
                for (int dy = 0; dy < 3; dy++)
                    p[dy] = ring_row(&d, y + dy - 2);
                for (int x = 0; x < 2 * width; x += 2, to += 2 * half)
                    for (int h = 0; h < 2; h++) {
                        vec sum = {0};
                        for (int t = 0; t < 9; t++)
                            sum += p[t / 3][x + 2 * (t % 3) + h] * k[h].tap[8 - t];
                        narrow(to + h * half, sum);
                    }
            }
            for (int h = 0; h < 2; h++)
                for (int lane = 0; lane < LANES; lane++) {
                    float *to = sums + ((size_t)i * 2 * half + h * half + c + lane) * 10;
                    for (int t = 0; t < 10; t++)
                        to[t] = total[h][t][lane];
                }
            free(memory);
        }
}

static inline float across(vec v)
{
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++)
        sum += v[lane];
    return sum;
}

static inline float mean_and_scale(const float *x, int channels, float eps, float *mean)
{
    vec sum = {0}, squares = {0};
    for (int c = 0; c < channels; c += LANES)
        sum += *(const vec *)(x + c);
    *mean = across(sum) / channels;
    for (int c = 0; c < channels; c += LANES) {
        vec centred = *(const vec *)(x + c) - *mean;
        squares += centred * centred;
    }
    return 1.0f / sqrtf(across(squares) / channels + eps);
}

// out [pixels, channels] bf16 = weight * (x - mean) / deviation + bias, at each pixel.
void norm_forward(const float *x, const float *weight, const float *bias, uint16_t *out,
                  int64_t pixels, int channels, float eps, int threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < pixels; i++) {
        const float *from = x + i * channels;
        float mean, scale = mean_and_scale(from, channels, eps, &mean);
        for (int c = 0; c < channels; c += LANES) {
            vec unit = (*(const vec *)(from + c) - mean) * scale;
            narrow(out + i * channels + c, unit * *(const vec *)(weight + c) + *(const vec *)(bias + c));
        }
    }
}

// From the gradient of out: that of x, and for each of ``parts`` runs of pixels those of weight and
// bias, sums [parts, 2, channels], which must hold zeros.
void norm_backward(const float *x, const float *weight, const uint16_t *gradient, float *x_gradient,
                   float *sums, int64_t pixels, int channels, float eps, int parts, int threads)
{
#pragma omp parallel for num_threads(threads)
    for (int part = 0; part < parts; part++) {
        float *weights = sums + (size_t)part * 2 * channels, *biases = weights + channels;
        for (int64_t i = pixels * part / parts; i < pixels * (part + 1) / parts; i++) {
            const float *from = x + i * channels;
            const uint16_t *given = gradient + i * channels;
            float mean, scale = mean_and_scale(from, channels, eps, &mean);
            vec plain = {0}, along = {0};
            for (int c = 0; c < channels; c += LANES) {
                vec unit = (*(const vec *)(from + c) - mean) * scale, g = widen(given + c);
                *(vec *)(weights + c) += g * unit;
                *(vec *)(biases + c) += g;
                g *= *(const vec *)(weight + c);
                plain += g;
                along += g * unit;
            }
            float shift = across(plain) / channels, tilt = across(along) / channels;
            for (int c = 0; c < channels; c += LANES) {
                vec unit = (*(const vec *)(from + c) - mean) * scale;
                vec g = widen(given + c) * *(const vec *)(weight + c);
                *(vec *)(x_gradient + i * channels + c) = (g - shift - unit * tilt) * scale;
            }
        }
    }
}
